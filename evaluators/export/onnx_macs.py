"""The multiply-accumulates of an ONNX model, as `evaluators.compress.prune` counts a module's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import onnx

_Shape = tuple[int, ...]
_UNCOUNTED = {
    "Attention", "ConvInteger", "DeformConv", "Einsum", "GRU", "LSTM", "MatMulInteger",
    "QLinearConv", "QLinearMatMul", "RNN", "If", "Loop", "Scan",
}  # fmt: skip
"""What multiplies in a way that isn't counted here, or holds a graph of its own."""
_STANDARD = ("", "ai.onnx")


def count_onnx_macs(model: onnx.ModelProto) -> int | None:
    """Count the multiply-accumulates of one query in convolutions and matrix products.

    Args:
        model: A checked one, its batch size static.

    Returns:
        How many; None where a shape isn't known before the model runs, or an op may multiply in a
        way that isn't counted.
    """
    nodes = model.graph.node
    if any(node.op_type in _UNCOUNTED or node.domain not in _STANDARD for node in nodes):
        return None
    shapes = _shapes(onnx.shape_inference.infer_shapes(model).graph)
    total = 0
    for node in nodes:
        if node.op_type not in _COUNTS:
            continue
        involved = [shapes.get(name) for name in (*node.input[:2], node.output[0])]
        known = [shape for shape in involved if shape is not None]
        if len(known) < len(involved):
            return None
        total += _COUNTS[node.op_type](node, *known)
    return total


def _shapes(graph: onnx.GraphProto) -> dict[str, _Shape]:
    """Return the shapes that are known, by the name of the tensor."""
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        sizes = tensor.shape.dim
        if tensor.HasField("shape") and all(size.HasField("dim_value") for size in sizes):
            found[value.name] = tuple(size.dim_value for size in sizes)
    return found


def _convolution(_: onnx.NodeProto, _image: _Shape, weights: _Shape, out: _Shape) -> int:
    return math.prod(out) * math.prod(weights[1:])


def _transposed(_: onnx.NodeProto, image: _Shape, weights: _Shape, _out: _Shape) -> int:
    return math.prod(image) * math.prod(weights[1:])


def _product(_: onnx.NodeProto, left: _Shape, _right: _Shape, out: _Shape) -> int:
    return math.prod(out) * left[-1]


def _gemm(node: onnx.NodeProto, left: _Shape, _right: _Shape, out: _Shape) -> int:
    is_turned = any(each.name == "transA" and each.i for each in node.attribute)
    return math.prod(out) * left[0 if is_turned else 1]


_COUNTS: Mapping[str, Callable[[onnx.NodeProto, _Shape, _Shape, _Shape], int]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "MatMul": _product,
}
