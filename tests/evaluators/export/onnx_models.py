"""Small ONNX models built by hand, and what must happen to those that are refused."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from evaluators.export.onnx_check import check_onnx, import_onnx
from evaluators.failures import InputError

WEIGHT = np.arange(9, dtype=np.float32).reshape(3, 3)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def make_model(nodes=None, inputs=None, weight=None, **graph):
    """Build a model of x -> x @ w, with a batch of any size."""
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["y"])]
    weight = weight or numpy_helper.from_array(WEIGHT, "w")
    inputs = [value("x", ["N", 3])] if inputs is None else inputs
    made = helper.make_graph(nodes, "graph", inputs, [value("y", ["N", 3])], [weight], **graph)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def branching_model():
    """Build a model with a branch whose weights are a subgraph's own."""
    weight = helper.make_node(
        "Constant", [], ["bias"], value=numpy_helper.from_array(WEIGHT[:1], "bias")
    )
    left = helper.make_graph(
        [weight, helper.make_node("Add", ["m", "bias"], ["a"])], "then", [], [value("a", ["N", 3])]
    )
    right = helper.make_graph(
        [helper.make_node("Neg", ["m"], ["b"])], "else", [], [value("b", ["N", 3])]
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("ReduceMax", ["m"], ["s"], keepdims=0),
        helper.make_node("Cast", ["s"], ["c"], to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], then_branch=left, else_branch=right),
    ]
    return make_model(nodes)


def refused(path, out_dir, match):
    """Check and import must refuse ``path`` in one line, and the import must leave nothing."""
    with pytest.raises(InputError, match=match) as caught:
        check_onnx(path)
    assert "\n" not in caught.value.reason
    with pytest.raises(InputError, match=match):
        import_onnx(path, 1, out_dir)
    assert list(out_dir.iterdir()) == []


def answer(folder, x):
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]
