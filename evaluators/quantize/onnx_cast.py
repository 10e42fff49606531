"""Every float32 of an ONNX graph in another float type; what goes in and comes out stays float32.

TensorRT computes a network in the types that it is written in, so precision has to be in the file:
weights and constants are cast here, inputs just behind the graph's own, outputs just before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from evaluators.failures import CandidateRejected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Where ONNX asks for float32 whatever the type of the data: positions among the inputs.
_STAYS_FLOAT = {"Resize": (1, 2)}
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")


def write_cast(source: Path, target: int, out_dir: Path) -> None:
    """Write ``model.onnx`` of one folder into another with `cast_floats` done.

    Raises:
        CandidateRejected: See `cast_floats`.
    """
    model = onnx.load(source / "model.onnx")
    cast_floats(model, target)
    onnx.save(model, out_dir / "model.onnx")


def cast_floats(model: onnx.ModelProto, target: int) -> None:
    """Change a model in place, so that what it computes in is ``target`` instead of float32.

    A value too large for the type becomes its largest, because a mask of -3e38 would otherwise be
    -inf; what was infinite stays so. A quantizer's scale too small for it becomes its smallest,
    because that divides.

    Args:
        model: A checked model with its weights inside; with Q/DQ nodes, of opset 19 or later, where
            scales have the type of the data.
        target: ``TensorProto.FLOAT16`` or ``TensorProto.BFLOAT16``.

    Raises:
        CandidateRejected: If a node holds a graph of its own, whose types are not followed.
    """
    graph = model.graph
    for node in graph.node:
        _refuse_subgraph(node)
    kept = {name for node in graph.node for name in _float_inputs(node)}
    scales = {node.input[1] for node in graph.node if node.op_type in _QUANTIZERS}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(_cast(tensor, target, is_scale=tensor.name in scales))
    for node in graph.node:
        _cast_attributes(node, target, kept)
    del graph.value_info[:]  # types that no longer hold
    casts_in = list(_cast_inputs(graph, target))
    casts_out = list(_cast_outputs(graph))
    nodes = [*casts_in, *graph.node, *casts_out]
    del graph.node[:]
    graph.node.extend(nodes)


def _refuse_subgraph(node: onnx.NodeProto) -> None:
    if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
        raise CandidateRejected(
            f"op {node.op_type} (node {node.name!r}) holds a graph of its own, which can't be "
            "brought to another float type. Take it out of the model, or leave this precision out."
        )


def _float_inputs(node: onnx.NodeProto) -> Iterator[str]:
    for position in _STAYS_FLOAT.get(node.op_type, ()):
        if position < len(node.input):
            yield node.input[position]


def _cast(tensor: onnx.TensorProto, target: int, *, is_scale: bool = False) -> onnx.TensorProto:
    dtype = helper.tensor_dtype_to_np_dtype(target)
    values, limits = numpy_helper.to_array(tensor), ml_dtypes.finfo(dtype)
    low, high = float(limits.smallest_subnormal if is_scale else limits.min), float(limits.max)
    bounded = np.where(np.isinf(values), values, np.clip(values, low, high))
    return numpy_helper.from_array(bounded.astype(dtype), tensor.name)


def _cast_attributes(node: onnx.NodeProto, target: int, kept: set[str]) -> None:
    """Cast the constants in a node, and what a node says its output's type is."""
    if kept.intersection(node.output):
        return
    if node.op_type == "Constant":
        _unify_constant(node)
    for attribute in node.attribute:
        is_float = attribute.t.data_type == TensorProto.FLOAT
        if attribute.type == onnx.AttributeProto.TENSOR and is_float:
            attribute.t.CopyFrom(_cast(attribute.t, target))
        elif attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
            attribute.i = target


def _unify_constant(node: onnx.NodeProto) -> None:
    """Write ``value_float`` and ``value_floats`` as the tensors that they stand for."""
    for attribute in list(node.attribute):
        if attribute.name in ("value_float", "value_floats"):
            value = helper.get_attribute_value(attribute)
            tensor = numpy_helper.from_array(np.array(value, np.float32))
            node.attribute.remove(attribute)
            node.attribute.append(helper.make_attribute("value", tensor))


def _cast_inputs(graph: onnx.GraphProto, target: int) -> Iterator[onnx.NodeProto]:
    constants = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name in constants or value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        inner = f"{value.name}:cast"
        for node in graph.node:
            floats = set(_float_inputs(node))
            for position, name in enumerate(node.input):
                if name == value.name and name not in floats:
                    node.input[position] = inner
        yield helper.make_node("Cast", [value.name], [inner], name=f"{inner}_in", to=target)


def _cast_outputs(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for value in graph.output:
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        inner = f"{value.name}:cast"
        for node in graph.node:
            for names in (node.input, node.output):
                for position, name in enumerate(names):
                    if name == value.name:
                        names[position] = inner
        to = TensorProto.FLOAT
        yield helper.make_node("Cast", [inner], [value.name], name=f"{inner}_out", to=to)
