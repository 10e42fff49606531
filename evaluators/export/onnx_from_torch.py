"""PyTorch to ONNX: one file, static shapes, the same bytes wherever it is built."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch

from evaluators.export.onnx_check import LARGEST_ONNX_BYTES
from evaluators.failures import CandidateRejected
from evaluators.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np

_TRANSLATED_OP = re.compile(r"target=torch\.ops\.([\w.]+)")


def export_onnx(model: torch.nn.Module, example: Mapping[str, np.ndarray], out_dir: Path) -> None:
    """Write ``model.onnx`` into ``out_dir``; the module is left in eval mode.

    Args:
        model: A float32 module on the CPU.
        example: One batch by input name, in the order ``forward`` takes them. Its shapes, batch
            included, become the model's own.
        out_dir: An empty folder.

    Raises:
        CandidateRejected: If the module can't be traced, uses an op that ONNX lacks, or is larger
            than an ONNX file may be.
    """
    _check_size(model)
    arguments = tuple(torch.tensor(array) for array in example.values())
    try:
        with quiet():
            program = torch.onnx.export(
                model.eval(), arguments, input_names=list(example), dynamo=True, verbose=False
            )
    except torch.onnx.OnnxExporterError as error:
        raise CandidateRejected(f"export to ONNX: {_reason(error)}") from error
    assert program is not None
    _drop_metadata(program.model)
    # Weights in a file of their own would escape every copy and hash of model.onnx.
    program.save(out_dir / "model.onnx", external_data=False)


def _check_size(model: torch.nn.Module) -> None:
    weights = (*model.parameters(), *model.buffers())
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    if size > LARGEST_ONNX_BYTES:
        raise CandidateRejected(
            f"an ONNX file holds at most 2 GiB, but the model's weights take {size / 2**30:.1f} "
            "GiB. Use a smaller model, or a higher sparsity."
        )


def _drop_metadata(model: Any) -> None:
    """Remove the exporter's notes: stack traces name this machine's paths and change the bytes."""
    graph = model.graph
    model.metadata_props.clear()
    graph.metadata_props.clear()
    for node in graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.initializers.values()):
        value.metadata_props.clear()


def _reason(error: BaseException) -> str:
    """Return the first cause in one line, and the op it happened at where there is one."""
    causes = list(_causes(error))
    lines = str(causes[-1]).strip().splitlines() or [type(causes[-1]).__name__]
    found = [match[1] for cause in causes if (match := _TRANSLATED_OP.search(str(cause)))]
    return f"op {found[-1]}: {lines[0]}" if found else lines[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an exception to what first caused it, both included."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
