from __future__ import annotations

import numpy as np
import pytest

from evaluators.engines import edgetpu, engine_names, load_engine
from evaluators.engines.edgetpu import ENGINE, MOST_STEPS, _steps_apart, device_answers
from evaluators.engines.engine import Engine
from evaluators.engines.tflite import session as tflite_session
from evaluators.failures import CandidateRejected, DeviceLost
from tests.evaluators.engines.contract import EngineContract, tiny_images
from tests.evaluators.engines.standin_edgetpu_compiler import PARTIAL, SUCCESS, install
from tests.evaluators.engines.standin_libraries import build_edgetpu
from tests.evaluators.engines.tflite_models import int8_folder, leaky_folder

DEFAULTS = {"threads": 1, "max_cpu_ops": 0}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return how to put a stand-in libedgetpu in place, and the file that it logs to."""
    folder = tmp_path / "lib"
    folder.mkdir()
    destroyed = folder / "destroyed"

    def put(has_device):
        path = folder / f"libedgetpu-{has_device}.so"
        built = build_edgetpu(path, destroyed, has_device=has_device)
        monkeypatch.setattr(edgetpu, "DELEGATE", str(built))
        return destroyed

    return put


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    return lambda *logs: install(monkeypatch, folder, *logs)


class TestContract(EngineContract):
    engine = ENGINE
    precision = "int8"
    tolerance = 0.05

    @pytest.fixture
    def portable(self):
        return int8_folder()

    @pytest.fixture
    def refused(self):
        return leaky_folder()


def answer(compiled, folder):
    with ENGINE.open(folder, compiled.artifact, "int8", DEFAULTS) as session:
        return session.decode(session.infer(session.prepare([tiny_images(1)])))[0]


def test_is_found_as_an_engine_and_its_helpers_are_not():
    assert {"edgetpu", "litert"} <= set(engine_names())
    assert load_engine("edgetpu") is ENGINE
    assert not {"edgetpu_ops", "edgetpu_compiler", "tflite_graph", "tflite_session"} & set(
        engine_names()
    )


def test_every_precision_but_int8_is_refused():
    assert ENGINE.refusal("int8", DEFAULTS) is None
    assert "must be int8, but got fp32" in ENGINE.refusal("fp32", DEFAULTS)


def test_unmapped_op_is_refused_by_name_unless_allowed(tmp_path):
    with pytest.raises(CandidateRejected, match=r"LEAKY_RELU '1'.*max_cpu_ops: 4"):
        ENGINE.compile(leaky_folder(), "int8", DEFAULTS, tmp_path)
    compiled = ENGINE.compile(leaky_folder(), "int8", {"threads": 1, "max_cpu_ops": 4}, tmp_path)
    assert compiled.artifact == "model.tflite"
    assert "LEAKY_RELU '1'" in compiled.notes[0]
    assert compiled.latency_s is None
    # The first convolution alone maps: 3 -> 8 channels onto 14 x 14.
    assert compiled.metrics["edgetpu_cycles"] == pytest.approx(0.920 * 16 * 9)


def test_the_estimate_of_the_compiler_s_estimate_is_called_one(tmp_path):
    compiled = ENGINE.compile(int8_folder(), "int8", DEFAULTS, tmp_path)
    # 3 -> 8 channels onto 8 x 8 pixels, 8 -> 8 on as many, 8 -> 4 fully connected
    assert compiled.metrics["edgetpu_cycles"] == pytest.approx(0.920 * (36 + 72 + 2))
    assert compiled.latency_s == compiled.metrics["edgetpu_cycles"] / 500e6
    provenance = ENGINE.figures["edgetpu_cycles"].provenance
    assert provenance == "estimated: an estimate of edgetpu_compiler's own cycle estimate"
    assert provenance == f"estimated: {ENGINE.estimated_by}"


def test_without_a_compiler_the_portable_model_runs_on_the_cpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "edgetpu_compiler isn't on PATH" in ENGINE.compiler_reason()
    compiled = ENGINE.compile(int8_folder(), "int8", DEFAULTS, tmp_path)
    assert compiled.artifact == "model.tflite"
    assert set(compiled.metrics) == {"edgetpu_cycles"}
    unknown = ENGINE.unknown_figures()
    assert set(unknown) | set(compiled.metrics) == set(ENGINE.figures)
    assert "edgetpu_compiler isn't on PATH" in unknown["edgetpu_offchip_bytes"]
    assert not (tmp_path / "model_edgetpu.tflite").exists()


def test_without_a_device_the_compiler_still_has_its_say(compiler, monkeypatch, tmp_path):
    compiler(SUCCESS)
    monkeypatch.setattr(edgetpu, "DELEGATE", "libno-such-edgetpu.so")
    assert "no Edge TPU answers" in ENGINE.stand_in_reason()
    assert ENGINE.compiler_reason() is None
    compiled = ENGINE.compile(int8_folder(), "int8", DEFAULTS, tmp_path)
    assert compiled.artifact == "model_edgetpu.tflite"
    assert (tmp_path / ENGINE.stand_in_artifact).is_file()
    assert set(compiled.metrics) == set(ENGINE.figures)
    assert ENGINE.unknown_figures() == {}
    assert compiled.metrics["edgetpu_offchip_bytes"] == 0
    assert compiled.notes == ["Compiled by edgetpu_compiler 16.0.384591198."]


def test_what_the_compiler_leaves_on_the_cpu_is_refused_unless_allowed(compiler, tmp_path):
    compiler(PARTIAL)
    with pytest.raises(CandidateRejected, match=r"left 3 on the CPU .*2 CONCATENATION.*ops: 3"):
        ENGINE.compile(int8_folder(), "int8", DEFAULTS, tmp_path)
    allowed = ENGINE.compile(int8_folder(), "int8", {"threads": 1, "max_cpu_ops": 3}, tmp_path)
    assert allowed.metrics["edgetpu_cpu_ops"] == 3
    assert allowed.latency_s is None
    assert "2 CONCATENATION on the CPU: More than one subgraph is not supported." in allowed.notes


def test_with_compiler_and_device_the_compiled_model_runs_there(compiler, library, tmp_path):
    compiler(SUCCESS)
    destroyed = library(has_device=True)
    assert device_answers()
    assert ENGINE.stand_in_reason() is None
    compiled = ENGINE.compile(int8_folder(), "int8", DEFAULTS, tmp_path)
    assert compiled.artifact == "model_edgetpu.tflite"
    session = ENGINE.open(tmp_path, compiled.artifact, "int8", DEFAULTS)
    ours = session.decode(session.infer(session.prepare([tiny_images(1)])))[0]
    before = len(destroyed.read_text().splitlines())
    session.close()
    assert len(destroyed.read_text().splitlines()) == before + 1
    np.testing.assert_allclose(
        ours, answer(compiled._replace(artifact="model.tflite"), tmp_path), atol=0.02
    )


@pytest.fixture
def on_device(compiler, library, tmp_path):
    """Return a session of the compiled model on the stand-in device."""
    compiler(SUCCESS)
    library(has_device=True)
    compiled = ENGINE.compile(int8_folder(), "int8", DEFAULTS, tmp_path)
    with ENGINE.open(tmp_path, compiled.artifact, "int8", DEFAULTS) as session:
        yield session


BATCHES = [[tiny_images(1, seed)] for seed in range(3)]


def test_a_device_that_answers_as_the_cpu_does_agrees(on_device):
    assert on_device.disagreement(BATCHES) is None


@pytest.mark.parametrize(("steps", "agrees"), [(MOST_STEPS - 3, True), (40, False)])
def test_a_device_may_round_differently_and_no_more(on_device, monkeypatch, steps, agrees):
    rightly = on_device.infer

    def wrongly(prepared):
        return [np.where(a > 0, a - steps, a + steps).astype(a.dtype) for a in rightly(prepared)]

    monkeypatch.setattr(on_device, "infer", wrongly)
    found = on_device.disagreement(BATCHES)
    assert (found is None) is agrees
    assert agrees or "must be within 8 of 255 steps" in found


@pytest.mark.parametrize(
    ("ours", "theirs", "steps"),
    [
        (np.int8([-128, 5]), np.int8([127, 5]), 255),
        (np.float32([0.0, 1.02]), np.float32([0.0, 1.0]), 5.1),
        (np.float32([1.0, 1.0]), np.float32([1.0, 1.0]), 0),
        (np.float32([1.0, 2.0]), np.float32([1.0, 1.0]), np.inf),
        (np.int64([7]), np.int64([900]), 0),
    ],
)
def test_steps_are_those_of_the_output(ours, theirs, steps):
    assert _steps_apart(ours, theirs) == pytest.approx(steps, rel=1e-5)


def test_device_that_stops_answering_is_lost_not_rejected(compiler, library, tmp_path):
    compiler(SUCCESS)
    library(has_device=True)
    compiled = ENGINE.compile(int8_folder(), "int8", DEFAULTS, tmp_path)
    with ENGINE.open(tmp_path, compiled.artifact, "int8", DEFAULTS) as session:

        class Unplugged:
            def set_tensor(self, index, value):
                raise RuntimeError("Failed to invoke")

        session._interpreter = Unplugged()
        with pytest.raises(DeviceLost, match="stopped answering: Failed to invoke"):
            session.infer(session.prepare([tiny_images(1)]))


def test_library_without_a_device_does_not_answer(library, tmp_path):
    library(has_device=False)
    assert not device_answers()
    tflite_session.copy_model(int8_folder(), tmp_path)
    with pytest.raises(DeviceLost, match="finds no Edge TPU; connect one"):
        ENGINE.open(tmp_path, "model_edgetpu.tflite", "int8", DEFAULTS)


def test_absent_library_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setattr(edgetpu, "DELEGATE", "libno-such-edgetpu.so")
    assert not device_answers()
    with pytest.raises(DeviceLost, match=r"libno-such-edgetpu.so must be installed"):
        ENGINE.open(tmp_path, "model_edgetpu.tflite", "int8", DEFAULTS)


def test_other_engines_are_no_stand_ins():
    assert Engine.stand_in_reason(load_engine("litert")) is None
