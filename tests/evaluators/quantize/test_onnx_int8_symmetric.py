from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from evaluators.quantize import onnx_fp8, onnx_int8_symmetric
from evaluators.quantize.onnx_int8_symmetric import SETTINGS, SOURCE, quantize

DEFAULTS = {name: flag.default for name, flag in SETTINGS.items()}


def answer(folder, model):
    options = onnxruntime.SessionOptions()
    # Its optimizer moves ops between Q and DQ that it has no float8 kernels for.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, model.inputs(), strict=True)))[0]


def pairs(graph):
    """Return tensor that is quantized -> how many nodes read it dequantized, and zero points."""
    readers = [name for node in graph.node for name in node.input]
    quantized = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    found = [n for n in graph.node if n.op_type == "DequantizeLinear"]
    assert {n.input[0] for n in found} == set(quantized)
    return {quantized[n.input[0]]: readers.count(n.output[0]) for n in found}


@pytest.mark.parametrize(("form", "least_db"), [(onnx_int8_symmetric, 28), (onnx_fp8, 22)])
def test_stays_close_to_the_float_model(form, least_db, small_model, tmp_path, sqnr_db, capfd):
    form.quantize(small_model.folder, small_model.calibration, DEFAULTS, tmp_path)
    assert sqnr_db(small_model.expected(), answer(tmp_path, small_model)) > least_db
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert capfd.readouterr() == ("", "")
    assert form.SOURCE == SOURCE == "onnx"


@pytest.mark.parametrize("form", [onnx_int8_symmetric, onnx_fp8])
def test_the_rest_may_compute_in_float16(form, conv_model, tmp_path, sqnr_db):
    settings = {**DEFAULTS, "float_type": "fp16"}
    form.quantize(conv_model.folder, conv_model.calibration, settings, tmp_path)
    assert sqnr_db(conv_model.expected(), answer(tmp_path, conv_model)) > 22
    graph = onnx.load(tmp_path / "model.onnx").graph
    kinds = {tensor.data_type for tensor in graph.initializer}
    assert TensorProto.FLOAT16 in kinds
    assert TensorProto.FLOAT not in kinds


@pytest.mark.parametrize(
    ("form", "kind"),
    [(onnx_int8_symmetric, TensorProto.INT8), (onnx_fp8, TensorProto.FLOAT8E4M3FN)],
)
def test_everything_is_signed_and_centred_on_zero(form, kind, conv_model, tmp_path):
    form.quantize(conv_model.folder, conv_model.calibration, DEFAULTS, tmp_path)
    graph = onnx.load(tmp_path / "model.onnx").graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    points = {n.input[2] for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")}
    assert {constants[name].data_type for name in points} == {kind}
    for name in points:
        assert not np.any(numpy_helper.to_array(constants[name]).astype(np.float32))


def test_what_goes_into_kernels_is_quantized_and_what_is_fused_is_not(conv_model, tmp_path):
    quantize(conv_model.folder, conv_model.calibration, DEFAULTS, tmp_path)
    graph = onnx.load(tmp_path / "model.onnx").graph
    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        kinds = [made_by[name].op_type if name in made_by else "" for name in node.input]
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            assert kinds[:2] == ["DequantizeLinear", "DequantizeLinear"]
            assert "DequantizeLinear" not in kinds[2:]  # the bias
        elif node.op_type == "Add":
            assert sorted(kinds) == ["Conv", "DequantizeLinear"]
    assert max(pairs(graph).values()) == 2  # the shortcut: the next convolution and the addition


def test_nothing_is_left_of_what_was_taken_away(conv_model, tmp_path):
    quantize(conv_model.folder, conv_model.calibration, DEFAULTS, tmp_path)
    graph = onnx.load(tmp_path / "model.onnx").graph
    read = {name for node in graph.node for name in node.input}
    assert {tensor.name for tensor in graph.initializer} <= read
    assert {name for node in graph.node for name in node.output} - read == {
        output.name for output in graph.output
    }


def test_float8_has_the_range_of_int8(conv_model, tmp_path):
    scales = {}
    for form in (onnx_int8_symmetric, onnx_fp8):
        folder = tmp_path / form.__name__
        folder.mkdir()
        form.quantize(conv_model.folder, conv_model.calibration, DEFAULTS, folder)
        graph = onnx.load(folder / "model.onnx").graph
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        names = [n.input[1] for n in graph.node if n.op_type == "QuantizeLinear"]
        scales[form] = np.concatenate([np.atleast_1d(constants[name]) for name in names])
    np.testing.assert_allclose(scales[onnx_int8_symmetric] * 127, scales[onnx_fp8] * 448, rtol=1e-6)
