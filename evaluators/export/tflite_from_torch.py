"""PyTorch -> float TFLite, through litert-torch.

TFLite's convolutions are channel-last. Left alone, the converter keeps the model's (N, C, H, W)
inputs and transposes them inside the file, on every inference; so 4-D inputs and outputs are
declared channel-last instead, and ``io.json`` (see `evaluators.engines.tflite.session`) tells the
session which ones to turn. Signals (N, C, L) stay as they are: the converter makes 2-D convolutions
of them and transposes either way.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evaluators.engines.tflite.session import IO_FILE, MODEL_FILE
from evaluators.failures import CandidateRejected

# The converter makes 32-bit integers of token ids: accelerators know no others.
_FILE_DTYPES = {"int64": "int32"}
# Whatever torch.export, the jax lowerings and the MLIR passes raise for an op they lack.
_CONVERTER_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AssertionError)


def export_tflite(model: nn.Module, example: Mapping[str, np.ndarray], out_dir: Path) -> None:
    """Write ``model.tflite`` and ``io.json``. The model is put into eval mode.

    Args:
        model: Takes the example's arrays by position; returns a tensor, or several.
        example: One batch, of the batch size that the file will have.
        out_dir: An empty folder.

    Raises:
        CandidateRejected: If an op has no TFLite form; it is named where the converter names it.
    """
    inputs = [torch.from_numpy(np.ascontiguousarray(array)) for array in example.values()]
    images = [position for position, tensor in enumerate(inputs) if tensor.ndim == 4]
    maps = _image_outputs(model.eval(), inputs)
    for position in images:
        inputs[position] = inputs[position].permute(0, 2, 3, 1).contiguous()
    content = _convert(model, inputs, images, maps)
    (out_dir / MODEL_FILE).write_bytes(content)
    dtypes = [_FILE_DTYPES.get(str(a.dtype), str(a.dtype)) for a in example.values()]
    described = _describe(content, dtypes, images, maps)
    (out_dir / IO_FILE).write_text(json.dumps(described, indent=1), encoding="utf-8")


def _image_outputs(model: nn.Module, inputs: Sequence[torch.Tensor]) -> list[int]:
    with torch.inference_mode():
        outputs = model(*inputs)
    listed = outputs if isinstance(outputs, tuple | list) else [outputs]
    return [position for position, tensor in enumerate(listed) if tensor.ndim == 4]


def _convert(
    model: nn.Module, inputs: Sequence[torch.Tensor], images: list[int], maps: list[int]
) -> bytes:
    with warnings.catch_warnings():
        # torch, torchao and jax announce their own deprecations through the converter.
        warnings.simplefilter("ignore")
        import litert_torch

        litert_torch.config.show_progress = False
        wrapped = litert_torch.to_channel_last_io(model, args=images, outputs=maps).eval()
        try:
            converted = litert_torch.convert(wrapped, tuple(inputs))
            return bytes(converted.model_content())
        except _CONVERTER_ERRORS as error:
            raise CandidateRejected(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Return one line that names the op, which the message often does further down."""
    text = str(error).strip()
    first = text.splitlines()[0][:200].rstrip(".") if text else type(error).__name__
    op = re.search(r"\b(aten|tfl)\.\w+(\.\w+)?", text)
    what = f"op {op.group()}" if op else "the model"
    return (
        f"TFLite export: {what} has no LiteRT form ({first}). "
        "Replace it in the model, or leave the engines that eat TFLite out."
    )


def _describe(
    content: bytes, dtypes: Sequence[str], images: list[int], maps: list[int]
) -> dict[str, Any]:
    """Find each input and output of the signature among the file's own."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    signature, graph = model.signatureDefs[0], model.subgraphs[0]
    named_inputs = {entry.name.decode(): entry.tensorIndex for entry in signature.inputs}
    named_outputs = {entry.name.decode(): entry.tensorIndex for entry in signature.outputs}
    return {
        "inputs": [
            {
                "name": f"args_{number}",
                "position": list(graph.inputs).index(named_inputs[f"args_{number}"]),
                "channel_last": number in images,
                "dtype": dtype,
            }
            for number, dtype in enumerate(dtypes)
        ],
        "outputs": [
            {
                "name": f"output_{number}",
                "position": list(graph.outputs).index(named_outputs[f"output_{number}"]),
                "channel_last": number in maps,
            }
            for number in range(len(named_outputs))
        ],
    }
