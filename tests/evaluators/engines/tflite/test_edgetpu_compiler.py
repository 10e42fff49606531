from __future__ import annotations

import time
from pathlib import Path

import pytest

from evaluators.engines.tflite import edgetpu_compiler
from evaluators.engines.tflite.edgetpu_compiler import compile_for_edgetpu, find_compiler, parse_log
from evaluators.failures import CandidateRejected
from tests.evaluators.engines.standin_edgetpu_compiler import (
    CRASH,
    FAILURE,
    PARTIAL,
    SUCCESS,
    calls,
    install,
)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3")
    return path


@pytest.fixture
def bin_dir(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def test_log_of_a_full_mapping():
    report = parse_log(SUCCESS)
    assert report.version == "16.0.384591198"
    assert report.unmapped == []
    assert report.metrics == {
        "edgetpu_onchip_bytes": 6.03 * 2**20,
        "edgetpu_onchip_free_bytes": 74 * 2**10,
        "edgetpu_offchip_bytes": 0.0,
        "edgetpu_subgraphs": 1.0,
        "edgetpu_mapped_ops": 14.0,
        "edgetpu_cpu_ops": 0.0,
    }


def test_log_of_a_partial_mapping():
    report = parse_log(PARTIAL)
    assert report.metrics["edgetpu_offchip_bytes"] == 15.73 * 2**20
    assert report.metrics["edgetpu_mapped_ops"] == 4
    assert report.metrics["edgetpu_cpu_ops"] == 3
    assert report.unmapped == [
        ("DEQUANTIZE", 1, "Operation is working on an unsupported data type"),
        ("CONCATENATION", 2, "More than one subgraph is not supported"),
    ]


def test_figures_that_the_log_lacks_are_left_out_not_zero():
    lines = [line for line in SUCCESS.splitlines() if "memory" not in line]
    metrics = parse_log("\n".join(lines)).metrics
    assert not [name for name in metrics if name.endswith("_bytes")]


def test_compiler_is_found_on_path(monkeypatch, bin_dir):
    monkeypatch.setenv("PATH", str(bin_dir))
    assert find_compiler() is None
    program = install(monkeypatch, bin_dir, SUCCESS)
    assert find_compiler() == str(program)


def test_success_leaves_the_compiled_model(monkeypatch, bin_dir, model, tmp_path):
    program = install(monkeypatch, bin_dir, SUCCESS)
    report = compile_for_edgetpu(str(program), model, tmp_path)
    assert (tmp_path / "model_edgetpu.tflite").is_file()
    assert report.metrics["edgetpu_subgraphs"] == 1
    ((*options, last),) = calls(program)
    assert last == str(model)
    assert "--show_operations" in options
    assert options[options.index("--out_dir") + 1] == str(tmp_path)


def test_flaky_compiler_is_tried_again(monkeypatch, bin_dir, model, tmp_path):
    program = install(monkeypatch, bin_dir, FAILURE, SUCCESS)
    assert compile_for_edgetpu(str(program), model, tmp_path).metrics["edgetpu_cpu_ops"] == 0
    assert len(calls(program)) == 2


def test_a_crash_is_a_failed_attempt_too(monkeypatch, bin_dir, model, tmp_path):
    program = install(monkeypatch, bin_dir, CRASH, SUCCESS)
    assert compile_for_edgetpu(str(program), model, tmp_path).metrics["edgetpu_subgraphs"] == 1
    assert len(calls(program)) == 2


def test_failure_is_told_after_the_last_attempt(monkeypatch, bin_dir, model, tmp_path):
    program = install(monkeypatch, bin_dir, FAILURE)
    with pytest.raises(CandidateRejected, match=r"failed 3 times: Internal compiler error. Abort"):
        compile_for_edgetpu(str(program), model, tmp_path)
    assert len(calls(program)) == 3


def test_hang_is_ended_with_what_it_forked(monkeypatch, bin_dir, model, tmp_path):
    program = install(monkeypatch, bin_dir, None)
    monkeypatch.setattr(edgetpu_compiler, "TIMEOUT_S", 1)
    monkeypatch.setattr(edgetpu_compiler, "GRACE_S", 1)
    with pytest.raises(CandidateRejected, match="within 2 s, but gave no answer"):
        compile_for_edgetpu(str(program), model, tmp_path)
    assert len(calls(program)) == 1
    assert has_ended(int((bin_dir / "forked").read_text()))


def has_ended(pid: int) -> bool:
    """Wait for a killed orphan; a zombie that nobody reaps counts as ended."""
    for _ in range(100):
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.05)
    return False
