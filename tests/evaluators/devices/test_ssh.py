"""A board behind a real sshd: files, limits, cut links, the lock, and another environment."""

from __future__ import annotations

import os
import re
import signal
import threading

import numpy as np
import pytest

from evaluators.device_lock import DeviceLock
from evaluators.devices import ssh_link
from evaluators.devices.local import LocalDevice
from evaluators.failures import CandidateAborted, DeviceLost
from tests.evaluators.engines.tflite_models import int8_folder
from tests.sshd import wait_for

# Looking at this meter takes ten seconds, because the program is silent.
SILENT = {"kind": "survey", "meter": "command", "meter_program": ["sleep", "77"]}
LOOK = {**SILENT, "meter_program": []}


def compile_job(out_dir, engine="litert", flags=None):
    return {
        "kind": "compile",
        "engine": engine,
        "precision": "int8",
        "flags": flags or {"threads": 1, "xnnpack": True},
        "model": str(int8_folder()),
        "out_dir": str(out_dir),
    }


def benchmark_job(compiled, inputs):
    return {
        "kind": "benchmark",
        "engine": "litert",
        "precision": "int8",
        "flags": {"threads": 1, "xnnpack": True},
        "compiled": str(compiled),
        "artifact": "model.tflite",
        "inputs": {"validation": [str(inputs)]},
        "answer_splits": ["validation"],
        "batch_size": 1,
        "timing": {"min_queries": 64, "min_duration_s": 0.0},
        "meter": None,
        "meter_program": [],
    }


@pytest.mark.measures
def test_a_board_with_only_numpy_and_litert_measures(board, connect, bare_python, tmp_path):
    pytest.importorskip("ai_edge_litert")
    compiled, inputs = tmp_path / "compiled", tmp_path / "inputs.npy"
    compiled.mkdir()
    images = np.random.default_rng(0).random((5, 3, 16, 16), np.float32)
    np.save(inputs, images)
    device = connect(bare_python)
    found = device.look()
    assert found.engines["litert"].missing is None
    assert found.engines["onnxruntime"].missing.what == "the Python package onnxruntime"
    facts = device.run(compile_job(compiled)).body
    assert facts["artifact"] == "model.tflite"
    assert (compiled / "model.tflite").read_bytes() == (int8_folder() / "model.tflite").read_bytes()
    answer = device.run(benchmark_job(compiled, inputs))
    here = LocalDevice("here", device.limits).run(benchmark_job(compiled, inputs))
    assert len(answer.arrays[0]) >= 64
    np.testing.assert_array_equal(answer.arrays[2], here.arrays[2])
    assert answer.body["environment"]["python"] == found.environment["python"]
    device.close()
    wait_for(lambda: not board.processes())
    assert list((board.cache / "work").iterdir()) == []


def test_a_file_is_sent_once(board, connect, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    device, sent = connect(), []
    ask = type(device._connected()).ask

    def counted(link, body, payloads=(), **kwargs):
        sent.extend(len(payload) for payload in payloads)
        return ask(link, body, payloads, **kwargs)

    monkeypatch.setattr(type(device._connected()), "ask", counted)
    for turn in ("first", "second"):
        (tmp_path / turn).mkdir()
        device.run(compile_job(tmp_path / turn))
    sizes = [path.stat().st_size for path in int8_folder().iterdir()]
    assert sorted(sent) == sorted(sizes)


def test_what_compiles_on_a_host_never_goes_to_the_board(board, connect, tmp_path):
    device = connect("no-such-python")
    flags = {"threads": 1, "max_cpu_ops": 0}
    assert device.run(compile_job(tmp_path, "edgetpu", flags)).body["artifact"] == "model.tflite"


def test_the_board_ends_what_takes_too_long(board, connect):
    device = connect(seconds=1.5)
    with pytest.raises(CandidateAborted, match=r"took longer than 1\.5 s\. Raise limits"):
        device.run(SILENT)
    wait_for(lambda: not any("sleep" in line or ".worker" in line for line in board.processes()))
    device.limits = device.limits.__class__(60.0, 0)
    assert device.run(LOOK).body["memory_bytes"] > 0  # the same agent goes on


def test_the_board_limits_memory(board, connect):
    with pytest.raises(CandidateAborted, match=r"out of memory|MemoryError|exit code"):
        connect(memory_bytes=2**20).run(LOOK)


def test_a_link_cut_in_a_job_loses_the_device_and_leaves_nothing(board, connect):
    device = connect()
    device.look()
    seen = []

    def strike():
        wait_for(lambda: any("sleep" in line for line in board.processes()))
        seen.extend(board.processes())
        board.cut()

    striker = threading.Thread(target=strike)
    striker.start()
    with pytest.raises(DeviceLost, match="board: the link is cut"):
        device.run(SILENT)
    striker.join()
    assert any("evaluators.benchmark.worker" in line for line in seen)
    wait_for(lambda: not board.processes())
    assert list((board.cache / "work").iterdir()) == []
    device.reopen()


def test_a_lock_that_went_with_its_link_is_not_measured_under(board, connect):
    device = connect()
    with device.quiet():
        device.run(LOOK)
        board.cut()
        with pytest.raises(DeviceLost, match="the link is cut"):
            device.run(LOOK)
    with device.quiet():
        device.run(LOOK)


@pytest.mark.measures  # it waits for the machine's lock, which other searches take
def test_a_board_is_locked_for_everybody(board, connect):
    first, second, heard = connect(), connect(), []
    local = LocalDevice("here", first.limits)
    second.say = heard.append
    with first.quiet():
        assert local._try_to_lock()["host"] == first._holder["host"]
        waiting = threading.Thread(target=lambda: second.quiet().__enter__())
        waiting.start()
        wait_for(lambda: heard)
        assert waiting.is_alive()
    waiting.join(timeout=20)
    assert not waiting.is_alive()
    assert heard[0].startswith("board is in use by process ")


@pytest.mark.measures  # it waits for the machine's lock, which other searches take
def test_a_link_that_falls_silent_leaves_nothing_either(board, connect, monkeypatch):
    quick = [re.sub(r"(ServerAlive\w+)=\d+", r"\1=1", option) for option in ssh_link.OPTIONS]
    monkeypatch.setattr(ssh_link, "OPTIONS", quick)
    device = connect()
    device.look()

    def strike():
        wait_for(lambda: any("sleep" in line for line in board.processes()))
        board.silence()

    striker = threading.Thread(target=strike)
    striker.start()
    with device.quiet(), pytest.raises(DeviceLost, match=r"board: the link is cut"):
        device.run(SILENT)
    striker.join()
    with device.quiet():  # which the agent that was left behind held
        device.run(LOOK)
    wait_for(lambda: not any("sleep" in line for line in board.processes()))
    device.close()
    wait_for(lambda: list((board.cache / "work").iterdir()) == [])


@pytest.mark.measures  # so does this
@pytest.mark.parametrize("is_stuck", [False, True])
def test_an_agent_that_was_left_behind_gives_its_lock_up(board, connect, is_stuck):
    left, again = connect(), connect()
    again._holder = left._holder  # of the same run, which reconnected
    wait_for(lambda: left._try_to_lock() is None)
    if is_stuck:
        os.kill(DeviceLock().try_to_take({})["pid"], signal.SIGSTOP)
    assert again._try_to_lock()["run"] == left._holder["run"]
    wait_for(lambda: again._try_to_lock() is None)
