from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from evaluators.engines.openvino import ENGINE, import_openvino
from evaluators.quantize.openvino_int8 import SETTINGS, SOURCE, quantize

DEFAULTS = {name: flag.default for name, flag in SETTINGS.items()}


def answer(folder, model):
    properties = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = import_openvino().Core().compile_model(folder / "model.xml", "CPU", properties)
    return np.array(compiled(model.inputs())[0])


def ops(folder):
    return [op.get_type_name() for op in import_openvino().Core().read_model(folder).get_ops()]


def test_defaults_are_values():
    assert ENGINE.forms["fp32"] == SOURCE
    assert all(flag.accepts(flag.default) for flag in SETTINGS.values())


def test_stays_close_to_the_float_model(small_model, tmp_path, sqnr_db, capfd):
    quantize(small_model.folder, small_model.calibration, DEFAULTS, tmp_path)
    assert sqnr_db(small_model.expected(), answer(tmp_path, small_model)) > 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    assert capfd.readouterr() == ("", "")


def test_convolutions_and_activations_are_quantized(conv_model, tmp_path):
    quantize(conv_model.folder, conv_model.calibration, DEFAULTS, tmp_path)
    model = import_openvino().Core().read_model(tmp_path / "model.xml")
    kinds = [str(op.get_output_element_type(0)) for op in model.get_ops() if len(op.shape) == 4]
    assert "<Type: 'int8_t'>" in kinds
    assert "FakeQuantize" in ops(tmp_path / "model.xml")


def test_a_transformer_is_treated_as_one(small_models, tmp_path):
    model = small_models("encoder")
    quantize(model.folder, model.calibration, DEFAULTS, tmp_path)
    text = (tmp_path / "model.xml").read_text()
    assert "smooth_quant" in text
    assert 'model_type value="transformer"' in text


def test_presets_differ(conv_model, tmp_path):
    written = {}
    for preset in SETTINGS["preset"].values:
        (tmp_path / preset).mkdir()
        quantize(conv_model.folder, conv_model.calibration, {"preset": preset}, tmp_path / preset)
        written[preset] = (tmp_path / preset / "model.bin").read_bytes()
    assert written["performance"] != written["mixed"]


def test_nobody_is_told_of_it(tmp_path):
    """OpenVINO's telemetry writes an identity into the home folder before it sends anything."""
    environment = {key: text for key, text in os.environ.items() if key != "CI"}
    script = "from evaluators.engines.openvino import ENGINE; ENGINE.load_runtime(); import nncf"
    subprocess.run(
        [sys.executable, "-c", script], env={**environment, "HOME": str(tmp_path)}, check=True
    )
    assert list(tmp_path.iterdir()) == []
