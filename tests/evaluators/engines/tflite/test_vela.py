from __future__ import annotations

import sys

import pytest

from evaluators.engines.tflite import vela
from evaluators.engines.tflite.vela import SYSTEMS, Setup, compile_with_vela, read_report
from evaluators.failures import CandidateAborted, CandidateRejected

pytest.importorskip("ethosu.vela")

U55 = Setup("ethos-u55-128", "Shared_Sram", "Performance")
SUMMARY = (
    "core_clock,sram_memory_used,dram_memory_used,on_chip_flash_memory_used,"
    "off_chip_flash_memory_used,cycles_total\n500000000.0,2.0,1.0,0.5,0.25,{}\n"
)
LAYERS = "Original Operator,Target,Op Cycles\nConv2D,NPU,100\nConv2D,NPU,50\n"


@pytest.fixture
def report(tmp_path):
    """Return what is read from two tables."""

    def read(cycles=150, layers=LAYERS):
        (tmp_path / "summary.csv").write_text(SUMMARY.format(cycles))
        (tmp_path / "layers.csv").write_text(layers)
        return read_report(tmp_path / "summary.csv", tmp_path / "layers.csv")

    return read


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"junk")
    return path


def script(monkeypatch, code):
    monkeypatch.setattr(vela, "_command", lambda *_: [sys.executable, "-c", code])


def test_figures_are_in_bytes_and_weights_behind_the_port_of_the_sram_are_sram(report):
    assert report().metrics == {
        "ethosu_cycles": 150,
        "ethosu_sram_bytes": 2.5 * 1024,
        "ethosu_dram_bytes": 1024,
        "ethosu_flash_bytes": 256,
        "ethosu_npu_ops": 2,
        "ethosu_cpu_ops": 0,
    }


def test_latency_is_cycles_over_the_clock(report):
    assert report(1000).latency_s == pytest.approx(2e-6)


def test_what_runs_on_the_cpu_leaves_no_latency(report):
    found = report(layers=LAYERS + "Softmax,CPU,0\nDiv,CPU,0\nDiv,CPU,0\n")
    assert found.latency_s is None
    assert found.cpu_ops == [("Div", 2), ("Softmax", 1)]
    assert (found.metrics["ethosu_npu_ops"], found.metrics["ethosu_cpu_ops"]) == (2, 3)


@pytest.mark.parametrize("family", SYSTEMS)
def test_each_family_has_the_system_that_vela_itself_takes(family):
    from ethosu.vela.architecture_features import Accelerator, create_default_arch

    chip = next(each for each in Accelerator if each.value.startswith(family))
    assert create_default_arch(chip).system_config == SYSTEMS[family]
    assert Setup(chip.value, "Shared_Sram", "Size").system == SYSTEMS[family]


def test_a_file_that_is_no_model_is_refused_in_vela_s_words(model, tmp_path):
    with pytest.raises(CandidateRejected, match=r"refused it: RuntimeError: Compilation failed"):
        compile_with_vela(model, U55, tmp_path)


def test_a_crash_is_not_the_candidate_s_for_good(model, tmp_path, monkeypatch):
    script(monkeypatch, "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(CandidateAborted, match="vela crashed with SIGSEGV"):
        compile_with_vela(model, U55, tmp_path)


def test_a_hang_is_ended(model, tmp_path, monkeypatch):
    script(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(vela, "TIMEOUT_S", 0.5)
    with pytest.raises(CandidateAborted, match=r"vela must answer within 0.5 s"):
        compile_with_vela(model, U55, tmp_path)


def test_success_without_a_file_is_none(model, tmp_path, monkeypatch):
    script(monkeypatch, "print('all went well.')")
    with pytest.raises(CandidateRejected, match=r"refused it: all went well\. Change the"):
        compile_with_vela(model, U55, tmp_path)
