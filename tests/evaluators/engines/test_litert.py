from __future__ import annotations

import builtins
import importlib
import shutil
import sys

import numpy as np
import pytest

from evaluators.engines import engine_names, load_engine
from evaluators.engines.litert import ENGINE
from evaluators.engines.tflite import session as tflite_session
from evaluators.failures import CandidateRejected
from evaluators.quantize import tflite_fp16
from tests.evaluators.engines.contract import EngineContract, tiny_images, tiny_net, torch_outputs
from tests.evaluators.engines.tflite_models import float_folder, int8_folder

DEFAULTS = {"threads": 1, "xnnpack": True}


class LitertContract(EngineContract):
    engine = ENGINE

    @pytest.fixture
    def refused(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("refused")
        shutil.copyfile(float_folder() / "io.json", folder / "io.json")
        (folder / "model.tflite").write_bytes(b"not a flatbuffer")
        return folder


class TestFloat(LitertContract):
    tolerance = 1e-5

    @pytest.fixture
    def portable(self):
        return float_folder()


class TestHalf(LitertContract):
    precision = "fp16"
    tolerance = 2e-3

    @pytest.fixture
    def portable(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("fp16")
        tflite_fp16.quantize(float_folder(), [], {}, folder)
        return folder


class TestInt8(LitertContract):
    precision = "int8"
    tolerance = 0.05

    @pytest.fixture
    def portable(self):
        return int8_folder()

    def test_inputs_are_prepared_as_an_application_holds_them(self, session):
        (prepared,) = session.prepare([tiny_images(1)])
        assert prepared.dtype == np.int8
        assert prepared.shape == (1, 16, 16, 3)

    def test_inputs_beyond_the_calibrated_range_saturate(self, session):
        (low,) = session.prepare([np.full((1, 3, 16, 16), -1e6, np.float32)])
        (high,) = session.prepare([np.full((1, 3, 16, 16), 1e6, np.float32)])
        assert low.max() == -128
        assert high.min() == 127


def answer(flags):
    with ENGINE.open(float_folder(), "model.tflite", "fp32", flags) as session:
        return session.decode(session.infer(session.prepare([tiny_images(1)])))[0]


def test_is_found_as_an_engine():
    assert "litert" in engine_names()
    assert load_engine("litert") is ENGINE


def test_xnnpack_off_means_other_kernels_with_the_same_answer():
    ours = answer({"threads": 1, "xnnpack": False})
    np.testing.assert_allclose(ours, answer(DEFAULTS), atol=1e-5)


def test_threads_are_pinned_to_as_many_as_are_asked_for():
    assert ENGINE.thread_count({"threads": 3, "xnnpack": True}) == 3
    (theirs,) = torch_outputs(tiny_net(), tiny_images(1))
    np.testing.assert_allclose(answer({"threads": 2, "xnnpack": True}), theirs, atol=1e-5)


def test_refused_model_is_told_in_one_line_with_a_remedy(tmp_path):
    shutil.copyfile(float_folder() / "io.json", tmp_path / "io.json")
    content = bytearray((float_folder() / "model.tflite").read_bytes())
    (tmp_path / "model.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(CandidateRejected, match=r"refused it: .*leave this engine out"):
        ENGINE.open(tmp_path, "model.tflite", "fp32", DEFAULTS)


@pytest.fixture
def older_board(monkeypatch):
    """A board with tflite_runtime: the same interpreter under its older name, no ai_edge_litert."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", interpreter)
    return interpreter


@pytest.mark.usefixtures("older_board")
def test_runs_on_tflite_runtime_where_litert_is_absent():
    np.testing.assert_allclose(
        answer(DEFAULTS), torch_outputs(tiny_net(), tiny_images(1))[0], atol=1e-5
    )


def test_runtime_without_the_switch_says_so(older_board, monkeypatch):
    monkeypatch.delattr(older_board, "OpResolverType")
    with pytest.raises(CandidateRejected, match="Set xnnpack: true"):
        answer({"threads": 1, "xnnpack": False})


def test_missing_runtime_names_what_to_install(monkeypatch):
    monkeypatch.setattr(tflite_session, "RUNTIMES", ("no_such_runtime",))
    missing = ENGINE.missing()
    assert missing is not None
    assert "ai-edge-litert" in missing.what
    assert "[litert]" in missing.remedy


def test_session_imports_nothing_a_board_lacks(monkeypatch):
    loaded = []
    real = builtins.__import__

    def spy(name, *args, **kwargs):
        loaded.append(name.split(".")[0])
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", spy)
    for name in ("evaluators.engines.tflite.session", "evaluators.engines.litert"):
        monkeypatch.delitem(sys.modules, name)
        importlib.import_module(name)
    assert not {"torch", "ai_edge_litert", "ai_edge_quantizer", "onnx"} & set(loaded)
