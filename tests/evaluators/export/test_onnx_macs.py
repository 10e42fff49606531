from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from evaluators.export.onnx_macs import count_onnx_macs


def model(nodes, inputs, outputs, weights=(), opset=20):
    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    initializers = [
        numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights
    ]
    graph = helper.make_graph(
        nodes, "g", [value(*each) for each in inputs], [value(*each) for each in outputs],
        initializers,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def test_it_counts_what_the_module_counts(small_model):
    torch = pytest.importorskip("torch")
    from evaluators.compress.prune import count_macs

    inputs = tuple(map(torch.tensor, small_model.inputs()))
    exported = onnx.load(small_model.folder / "model.onnx")
    assert count_onnx_macs(exported) == count_macs(small_model.module, inputs)


CONV = helper.make_node("Conv", ["x", "w"], ["y"], group=2, pads=[1, 1, 1, 1], strides=[2, 2])
TRANSPOSED = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])
GEMM = helper.make_node("Gemm", ["x", "w"], ["y"], transA=1, transB=1)


@pytest.mark.parametrize(
    ("node", "x", "w", "y", "macs"),
    [
        (CONV, (2, 4, 8, 8), (6, 2, 3, 3), (2, 6, 4, 4), 2 * 6 * 4 * 4 * 2 * 9),
        (TRANSPOSED, (1, 4, 5, 5), (4, 3, 2, 2), (1, 3, 10, 10), 4 * 25 * 3 * 4),
        (GEMM, (7, 2), (5, 7), (2, 5), 2 * 5 * 7),
        (helper.make_node("MatMul", ["x", "w"], ["y"]), (3, 2, 7), (7, 5), (3, 2, 5), 210),
        (helper.make_node("Add", ["x", "w"], ["y"]), (3, 2), (3, 2), (3, 2), 0),
    ],
)
def test_one_op_by_hand(node, x, w, y, macs):
    assert count_onnx_macs(model([node], [("x", x)], [("y", y)], [("w", w)])) == macs


def test_a_product_of_two_activations_counts():
    node = helper.make_node("MatMul", ["x", "z"], ["y"])
    found = model([node], [("x", (4, 2, 7)), ("z", (4, 7, 3))], [("y", (4, 2, 3))])
    assert count_onnx_macs(found) == 4 * 2 * 3 * 7


def test_what_is_not_counted_makes_the_whole_unknown():
    einsum = helper.make_node("Einsum", ["x", "w"], ["y"], equation="ij,jk->ik")
    assert (
        count_onnx_macs(model([einsum], [("x", (2, 3))], [("y", (2, 4))], [("w", (3, 4))])) is None
    )
    foreign = helper.make_node("FusedConv", ["x", "w"], ["y"], domain="com.microsoft")
    assert (
        count_onnx_macs(model([foreign], [("x", (2, 3))], [("y", (2, 4))], [("w", (3, 4))])) is None
    )


def test_a_shape_that_only_the_data_decides_makes_the_whole_unknown():
    nodes = [
        helper.make_node("NonZero", ["x"], ["found"]),
        helper.make_node("Cast", ["found"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["rows"], perm=[1, 0]),
        helper.make_node("MatMul", ["rows", "w"], ["y"]),
    ]
    found = model(nodes, [("x", (3, 4))], [("y", ("n", 5))], [("w", (2, 5))])
    assert count_onnx_macs(found) is None
