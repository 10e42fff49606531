"""Int8 as TensorRT takes it: symmetric scales, no zero points, Q/DQ where its kernels begin.

TensorRT's own advice [1]: quantize what goes into a convolution, a matrix product or the shortcut
of a residual addition, and no output, so that a convolution, its bias, the addition and the
activation are one kernel. Weights stay float in the file, with Q/DQ behind them, because TensorRT 8
takes no int8 constants; biases stay float altogether, because it has no int32 to dequantize.

References:
    [1] NVIDIA, TensorRT documentation, "Working with Quantized Types", "Q/DQ Layer-Placement
        Recommendations".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.flag import Flag, FlagValue
from evaluators.quantize.onnx_int8 import OF_EVERY_FORM, quantize_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx

    from evaluators.quantize import Calibration

SOURCE = "onnx"
SETTINGS: Mapping[str, Flag] = {
    **OF_EVERY_FORM,
    "float_type": Flag(("fp32", "fp16"), "fp32", "What isn't quantized computes in it."),
}
_QDQ_IN_OTHER_TYPES = 19
"""The opset where Q/DQ nodes learnt float8, and scales of another type than float32."""
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_QUANTIZED = (*_WEIGHTED, "Add")


def quantize(
    source: Path, calibration: Calibration, settings: Mapping[str, FlagValue], out_dir: Path
) -> None:
    """Write ``model.onnx`` with int8 weights and activations into ``out_dir``."""
    import onnx
    from onnxruntime.quantization import QuantType

    quantize_onnx(
        source,
        calibration,
        settings,
        out_dir,
        activation_type=QuantType.QInt8,
        op_types_to_quantize=list(_QUANTIZED),
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "AddQDQPairToWeight": True,
            "OpTypesToExcludeOutputQuantization": list(_QUANTIZED),
        },
    )
    model = onnx.load(out_dir / "model.onnx")
    _join_additions(model.graph)
    if settings["float_type"] == "fp16":
        from evaluators.quantize.onnx_cast import cast_floats

        model = with_types(model)
        cast_floats(model, onnx.TensorProto.FLOAT16)
    onnx.save(model, out_dir / "model.onnx")


def with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose Q/DQ nodes may be of other types than int8 and float32."""
    import onnx

    versions = {opset.domain: opset.version for opset in model.opset_import}
    if versions.get("", versions.get("ai.onnx", 0)) >= _QDQ_IN_OTHER_TYPES:
        return model
    return onnx.version_converter.convert_version(model, _QDQ_IN_OTHER_TYPES)


def _join_additions(graph: onnx.GraphProto) -> None:
    """Take the Q/DQ pair away between a convolution and the addition that it is fused with.

    Where both summands are convolutions the second keeps its pair: it is the shortcut.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    dropped = []
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for position, name in enumerate(node.input):
            pair = _pair_behind_weights(name, made_by, readers)
            if pair:
                node.input[position] = pair[0].input[0]
                dropped += pair
                break
    for node in dropped:
        graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    for tensor in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(tensor)


def _pair_behind_weights(
    name: str, made_by: Mapping[str, onnx.NodeProto], readers: Mapping[str, int]
) -> list[onnx.NodeProto]:
    """Return the quantize and dequantize nodes before ``name``, if only it needs them."""
    dequantize = made_by.get(name)
    if dequantize is None or dequantize.op_type != "DequantizeLinear" or readers[name] > 1:
        return []
    quantize_node = made_by.get(dequantize.input[0])
    if quantize_node is None or readers[quantize_node.output[0]] > 1:
        return []
    origin = made_by.get(quantize_node.input[0])
    is_weighted = origin is not None and origin.op_type in _WEIGHTED
    return [quantize_node, dequantize] if is_weighted else []
