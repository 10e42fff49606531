"""Float TFLite -> full-integer int8, with ai-edge-quantizer.

Weights of convolutions are int8 per channel, those of FULLY_CONNECTED per tensor; activations,
inputs and outputs are int8 too, with ranges from the calibration set. Token ids stay int32.
An op the quantizer doesn't know stays float: it is named in ``io.json``, so that the Edge TPU
refuses the model and LiteRT runs it with a note. Only a model that stays float throughout is
rejected here.

Six things that are wrong by default are put right:

1. Ranges are true minima and maxima; its moving average clips (16 dB against 31 dB on a ResNet-8).
2. FULLY_CONNECTED per tensor, because the Edge TPU takes no other.
3. Op versions say int8. The quantizer leaves those of the float model, and the Edge TPU compiler
   goes by them.
4. Buffers of 256 KB and more lie in the flatbuffer, where older readers look for them.
5. Attention masks are finite. Calibration leaves infinities out, so the mask's range collapses
   and masked tokens get attention again: 9.8 dB against 23.5 dB on a two-layer encoder.
6. A padded max pooling after a ReLU pads with PAD, not PADV2, which the Edge TPU lacks.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.engines.tflite.graph import Op, kind_of, read_graph
from evaluators.engines.tflite.session import IO_FILE, MODEL_FILE, read_io, to_file_layout
from evaluators.failures import CandidateRejected, InputError
from evaluators.flag import Flag, FlagValue
from evaluators.quantize import Calibration

SOURCE = "tflite"
# Nothing varies: the Edge TPU takes static int8 with these granularities only, and of the
# quantizer's two estimators of ranges one clips (see 1).
SETTINGS: Mapping[str, Flag] = {}

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
# Far below any weight: what (1 - mask) * -1e4, masked_fill(-1e9) and -inf have in common.
_MASK_BELOW = -1e4
# exp(-20) = 2e-9: still no attention, and it leaves int8 a step of about 0.1 for the real logits.
_FINITE_MASK = -20.0

# The version at which an op learned int8 [tensorflow/lite/tools/versioning/op_version.cc].
_INT8_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4} | dict.fromkeys(
    "ADD SUB MUL MEAN SUM PAD PADV2 MIRROR_PAD SOFTMAX "  # noqa: SIM905 -- a list is long
    "CONCATENATION AVERAGE_POOL_2D MAX_POOL_2D "
    "LOGISTIC TANH RELU RSQRT MAXIMUM MINIMUM REDUCE_MAX REDUCE_MIN TRANSPOSE TRANSPOSE_CONV SLICE "
    "STRIDED_SLICE SPLIT PACK UNPACK GATHER BATCH_MATMUL SELECT EQUAL NOT_EQUAL SQUARED_DIFFERENCE "
    "SPACE_TO_DEPTH RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR L2_NORMALIZATION DEQUANTIZE".split(),
    2,
)


def quantize(
    source: Path,
    calibration: Calibration,
    settings: Mapping[str, FlagValue],  # noqa: ARG001 -- every quantizer is called alike
    out_dir: Path,
) -> None:
    """Write ``model.tflite`` and ``io.json``.

    Raises:
        CandidateRejected: If no op can be int8, or the quantizer fails.
        InputError: If the calibration set is empty.
    """
    if not calibration:
        raise InputError(
            "int8 needs at least one full calibration batch, but calibration_batches() gave none."
        )
    described = read_io(source)
    model = _with_finite_masks((source / MODEL_FILE).read_bytes())
    content = _for_older_readers(_quantized(model, _named(calibration, described["inputs"])))
    ops = read_graph(content)
    described["float_ops"] = [str(op) for op in ops if _stays_float(op)]
    if all(_stays_float(op) for op in ops if op.kind not in _CONVERSIONS):
        named = ", ".join(described["float_ops"][:3])
        raise CandidateRejected(
            f"int8: at least one op must have an int8 form, but none has "
            f"({named}). Leave int8 out for this model."
        )
    (out_dir / MODEL_FILE).write_bytes(content)
    (out_dir / IO_FILE).write_text(json.dumps(described, indent=1), encoding="utf-8")


def _stays_float(op: Op) -> bool:
    if op.kind in _CONVERSIONS:
        return False
    return any(tensor.type == "FLOAT32" for tensor in op.activations())


def _named(calibration: Calibration, inputs: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
    """Return each batch by the signature's names, in the file's layout and types."""
    return [
        {
            entry["name"]: to_file_layout(array, channel_last=entry["channel_last"]).astype(
                entry["dtype"]
            )
            for array, entry in zip(batch, inputs, strict=True)
        }
        for batch in calibration
    ]


def _quantized(model: bytes, batches: list[dict[str, np.ndarray]]) -> bytes:
    from ai_edge_quantizer import calibrator, quantizer
    from ai_edge_quantizer.utils import qsv_utils

    recipe = _recipe()
    try:
        with warnings.catch_warnings():
            # Keeping every intermediate tensor is what calibration is.
            warnings.filterwarnings("ignore", "Warning: Enabling `experimental_preserve_all")
            ranges = calibrator.Calibrator(
                model, num_threads=1, qsv_update_func=qsv_utils.min_max_update
            )
            ranges.calibrate({"serving_default": batches}, recipe)
            tool = quantizer.Quantizer(model, recipe.get_quantization_recipe())
            result = tool.quantize(ranges.get_model_qsvs(), enable_progress_report=False)
    except (ValueError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise CandidateRejected(
            f"int8: ai-edge-quantizer must be able to quantize the model, but failed: {reason}. "
            "Change the op it names, or leave int8 out."
        ) from error
    return bytes(result.quantized_model)


def _recipe() -> Any:
    from ai_edge_quantizer import qtyping, recipe_manager

    names, per_tensor = qtyping.TFLOperationName, qtyping.QuantGranularity.TENSORWISE
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(".*", names.ALL_SUPPORTED, 8, 8)
    recipe.add_static_config(".*", names.FULLY_CONNECTED, 8, 8, weight_granularity=per_tensor)
    # An embedding has no static form; this one keeps its table int8 and answers in float.
    recipe.add_dynamic_config(".*", names.EMBEDDING_LOOKUP, 8)
    return recipe


def _with_finite_masks(content: bytes) -> bytes:
    """Return the model with the constants that mask attention raised to what int8 can express."""
    from ai_edge_litert.tools import flatbuffer_utils

    ops = read_graph(content)
    if not any(op.kind == "SOFTMAX" for op in ops):
        return content
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        buffer = model.buffers[tensor.buffer]
        if tensor.type != flatbuffer_utils.TensorType.FLOAT32 or buffer.data is None:
            continue
        values = np.frombuffer(bytes(buffer.data), np.float32)
        if values.size and values.min() <= _MASK_BELOW:
            finite = np.maximum(values, np.float32(_FINITE_MASK))
            buffer.data = np.frombuffer(finite.tobytes(), np.uint8)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _for_older_readers(content: bytes) -> bytes:
    """Return the model with its buffers inside the flatbuffer, and op versions that say int8."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    _forget_kept_dimensions(model)
    _pad_with_zero(model)
    for op, code, kind in _operators(model):
        types = {model.subgraphs[0].tensors[i].type for i in op.inputs if i >= 0}
        if flatbuffer_utils.TensorType.INT8 in types:
            code.version = max(code.version, _INT8_VERSIONS.get(kind, 1))
    for buffer in model.buffers:
        if buffer.data is not None:  # as an array it is packed at once, not byte by byte
            buffer.data = np.frombuffer(buffer.data, np.uint8)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _forget_kept_dimensions(model: Any) -> None:
    """Turn FULLY_CONNECTED 5 into 1 where it means nothing: between matrices.

    Version 5 is what ``keep_num_dims`` needs, which the converter always sets; 4 is what models for
    the Edge TPU carry.
    """
    tensors = model.subgraphs[0].tensors
    dense = [(op, code) for op, code, kind in _operators(model) if kind == "FULLY_CONNECTED"]
    ranks = {len(tensors[i].shape) for op, _ in dense for i in (op.inputs[0], op.outputs[0])}
    if ranks != {2}:
        return
    for op, code in dense:
        op.builtinOptions.keepNumDims = False
        code.version = 1


def _pad_with_zero(model: Any) -> None:
    """Turn PADV2 into PAD where the value padded with is the zero point.

    So it is between a ReLU and a padded max pooling, as in every ResNet's stem: the minus infinity
    that is padded with becomes -128, the zero point of what can't be negative. Only PAD maps to the
    Edge TPU.
    """
    from ai_edge_litert import schema_py_generated as schema

    pads = [(op, code) for op, code, kind in _operators(model) if kind == "PADV2"]
    if not pads or not all(_pads_with_zero(model, op) for op, _ in pads):
        return
    for op, code in pads:
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.PAD
        op.inputs = list(op.inputs[:2])
        op.builtinOptionsType = schema.BuiltinOptions.PadOptions
        op.builtinOptions = schema.PadOptionsT()


def _pads_with_zero(model: Any, op: Any) -> bool:
    tensors = model.subgraphs[0].tensors
    padded, value = tensors[op.inputs[0]], tensors[op.inputs[2]]
    data = model.buffers[value.buffer].data
    zero_points = padded.quantization.zeroPoint if padded.quantization else None
    if data is None or zero_points is None or len(data) != 1:
        return False
    return int(np.frombuffer(data, np.int8)[0]) == int(zero_points[0])


def _operators(model: Any) -> Iterator[tuple[Any, Any, str]]:
    from ai_edge_litert import schema_py_generated as schema

    kinds = {v: name for name, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    for op in model.subgraphs[0].operators:
        code = model.operatorCodes[op.opcodeIndex]
        yield op, code, kind_of(code, kinds)
