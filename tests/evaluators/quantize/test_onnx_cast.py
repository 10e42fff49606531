from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from evaluators.failures import CandidateRejected
from evaluators.quantize import load_quantizer
from evaluators.quantize.onnx_cast import cast_floats

FLOAT_IO = {TensorProto.FLOAT, TensorProto.INT64}


def model_of(nodes, initializers=(), output_shape=(3,)):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape)],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model, **inputs):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def large(model):
    return [t for t in model.graph.initializer if t.data_type in (1, 10, 16) and len(t.dims) > 1]


def made(model, form, tmp_path):
    quantizer = load_quantizer(form)
    assert quantizer.SOURCE == "onnx"
    assert dict(quantizer.SETTINGS) == {}
    quantizer.quantize(model.folder, [], {}, tmp_path)
    return onnx.load(tmp_path / "model.onnx")


def test_float16_computes_nearly_the_same(small_model, tmp_path, sqnr_db):
    model = made(small_model, "onnx_fp16", tmp_path)
    assert sqnr_db(small_model.expected(), run(model, **small_model.batches[0])) > 45


@pytest.mark.parametrize(
    ("form", "kind"),
    [("onnx_fp16", TensorProto.FLOAT16), ("onnx_bf16", TensorProto.BFLOAT16)],
)
def test_weights_have_the_type_and_what_goes_in_and_out_is_float(form, kind, small_model, tmp_path):
    model = made(small_model, form, tmp_path)
    assert {tensor.data_type for tensor in large(model)} == {kind}
    values = (*model.graph.input, *model.graph.output)
    assert {value.type.tensor_type.elem_type for value in values} <= FLOAT_IO
    onnx.checker.check_model(model)


def test_bfloat16_weights_are_the_nearest(conv_model, tmp_path):
    before = {t.name: t for t in large(onnx.load(conv_model.folder / "model.onnx"))}
    for tensor in large(made(conv_model, "onnx_bf16", tmp_path)):
        nearest = numpy_helper.to_array(before[tensor.name]).astype(ml_dtypes.bfloat16)
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), nearest)


def test_what_is_too_large_becomes_the_largest_and_infinity_stays():
    values = np.array([1e6, -3e38, -np.inf], np.float32)
    model = model_of(
        [helper.make_node("Add", ["x", "w"], ["y"])], [numpy_helper.from_array(values, "w")]
    )
    cast_floats(model, TensorProto.FLOAT16)
    np.testing.assert_array_equal(run(model, x=np.zeros(3, np.float32)), [65504, -65504, -np.inf])


def test_a_scale_too_small_for_the_type_is_not_zero():
    model = model_of(
        [helper.make_node("QuantizeLinear", ["x", "s"], ["q"])],
        [numpy_helper.from_array(np.float32(1e-9), "s")],
    )
    cast_floats(model, TensorProto.FLOAT16)
    (scale,) = (t for t in model.graph.initializer if t.name == "s")
    assert numpy_helper.to_array(scale) > 0


def test_constants_casts_and_an_output_that_is_read_again_follow():
    model = model_of(
        [
            helper.make_node("Constant", [], ["two"], value_float=2.0),
            helper.make_node("Greater", ["x", "two"], ["above"]),
            helper.make_node("Cast", ["above"], ["one"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["x", "two"], ["double"]),
            helper.make_node("Add", ["double", "one"], ["sum"]),
            helper.make_node("Relu", ["sum"], ["y"]),
            helper.make_node("Neg", ["y"], ["unused"]),
        ]
    )
    cast_floats(model, TensorProto.FLOAT16)
    found = run(model, x=np.array([-1, 1, 3], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [0, 2, 7])


def test_scales_of_a_resize_stay_float32():
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 4, 4])],
            [numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    cast_floats(model, TensorProto.FLOAT16)
    found = run(model, x=np.ones((1, 1, 2, 2), np.float32))
    np.testing.assert_array_equal(found, np.ones((1, 1, 4, 4)))


def test_a_graph_inside_a_node_is_refused_by_its_name():
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])],
        "b",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [3])],
    )
    model = model_of(
        [helper.make_node("If", ["c"], ["y"], "choose", then_branch=branch, else_branch=branch)],
        [numpy_helper.from_array(np.array(True), "c")],
    )
    with pytest.raises(CandidateRejected, match=r"op If \(node 'choose'\) holds a graph"):
        cast_floats(model, TensorProto.FLOAT16)
