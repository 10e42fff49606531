from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from evaluators.benchmark.environment import read_environment
from evaluators.quantize.onnx_int8 import SETTINGS, SOURCE, quantize

DEFAULTS = {name: flag.default for name, flag in SETTINGS.items()}


def answer(folder, model):
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, model.inputs(), strict=True)))[0]


def weights(folder):
    return [
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(folder / "model.onnx").graph.initializer
    ]


def test_defaults_are_values():
    assert SOURCE == "onnx"
    assert all(flag.accepts(flag.default) for flag in SETTINGS.values())


@pytest.fixture(params=SETTINGS["weight_bits"].values)
def settings(request):
    if request.param == 8 and read_environment()["vnni"] is False:
        pytest.skip("without VNNI sums of 8-bit weights overflow")
    return {**DEFAULTS, "weight_bits": request.param}


def test_stays_close_to_the_float_model(settings, small_model, tmp_path, sqnr_db, capfd):
    quantize(small_model.folder, small_model.calibration, settings, tmp_path)
    assert sqnr_db(small_model.expected(), answer(tmp_path, small_model)) > 30
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert capfd.readouterr() == ("", "")


def test_convolutions_are_signed_weights_on_unsigned_activations(conv_model, tmp_path):
    quantize(conv_model.folder, conv_model.calibration, DEFAULTS, tmp_path)
    large = [array for array in weights(tmp_path) if array.ndim == 4]
    assert {array.dtype for array in large} == {np.dtype(np.int8)}
    graph = onnx.load(tmp_path / "model.onnx").graph
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert {made_by[node.input[0]] for node in convolutions} == {"DequantizeLinear"}
    zero_points = {node.input[2] for node in graph.node if node.op_type == "QuantizeLinear"}
    kinds = {tensor.data_type for tensor in graph.initializer if tensor.name in zero_points}
    assert kinds == {onnx.TensorProto.UINT8}


def test_weights_of_seven_bits_leave_half_of_the_range(conv_model, tmp_path):
    most = {}
    for bits in SETTINGS["weight_bits"].values:
        folder = tmp_path / str(bits)
        folder.mkdir()
        settings = {**DEFAULTS, "weight_bits": bits}
        quantize(conv_model.folder, conv_model.calibration, settings, folder)
        kernels = [array for array in weights(folder) if array.ndim == 4]
        most[bits] = max(int(np.abs(array.astype(int)).max()) for array in kernels)
    assert most[8] >= 127
    assert most[7] in (63, 64)


@pytest.mark.parametrize("per_channel", [True, False])
def test_per_channel_gives_each_output_channel_a_scale(per_channel, conv_model, tmp_path):
    settings = {**DEFAULTS, "per_channel": per_channel}
    quantize(conv_model.folder, conv_model.calibration, settings, tmp_path)
    scales = Counter(array.shape for array in weights(tmp_path) if array.dtype == np.float32)
    assert ((8,) in scales) == per_channel


def input_scale(folder):
    graph = onnx.load(folder / "model.onnx").graph
    first = next(node for node in graph.node if node.input[0] == graph.input[0].name)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    return float(onnx.numpy_helper.to_array(constants[first.input[1]]).item())


def test_a_percentile_leaves_an_outlier_out(small_models, tmp_path):
    model = small_models("signal")
    rng = np.random.default_rng(0)
    calibration = [[rng.uniform(-1, 1, (2, 2, 32)).astype(np.float32)] for _ in range(200)]
    calibration[0][0][0, 0, 0] = 100
    scales = {}
    for method in SETTINGS["calibration_method"].values:
        (tmp_path / method).mkdir()
        settings = {**DEFAULTS, "calibration_method": method}
        quantize(model.folder, calibration, settings, tmp_path / method)
        scales[method] = input_scale(tmp_path / method)
    assert scales["minmax"] == pytest.approx(101 / 255, rel=0.01)
    assert scales["percentile"] < 3 / 255


@pytest.mark.parametrize("method", SETTINGS["calibration_method"].values)
def test_an_attention_mask_of_minus_infinity_stays_float(
    method, settings, small_models, tmp_path, sqnr_db
):
    model = small_models("encoder")
    settings = {**settings, "calibration_method": method}
    quantize(model.folder, model.calibration, settings, tmp_path)
    assert sqnr_db(model.expected(), answer(tmp_path, model)) > 30


def test_bytes_are_the_same_every_time(conv_model, tmp_path):
    written = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        quantize(conv_model.folder, conv_model.calibration, DEFAULTS, tmp_path / name)
        written.append((tmp_path / name / "model.onnx").read_bytes())
    assert written[0] == written[1]
