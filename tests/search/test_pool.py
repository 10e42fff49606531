"""Searches on boards that count as other machines: builds meanwhile, and several boards at once.

They are this machine, behind a real sshd each, so they measure in turns: there is one lock.
"""

from __future__ import annotations

import os
import sys

import pytest

from evaluators.devices import boards, recovery
from search import api, canary
from search.events import Notice, StageStarted, TrialFinished
from search.run_directory import RunDirectory
from tests.sshd import SSHD, Sshd

pytestmark = pytest.mark.measures

HALF_SPEED = '''\
"""ONNX Runtime, if every model took twice as long."""
import importlib, os, sys

here = os.path.dirname(os.path.dirname(__file__))
sys.path.remove(here)
del sys.modules["onnxruntime"]
real = importlib.import_module("onnxruntime")


class InferenceSession(real.InferenceSession):
    def run(self, *args, **kwargs):
        super().run(*args, **kwargs)
        return super().run(*args, **kwargs)


real.InferenceSession = InferenceSession
'''


@pytest.fixture
def servers(tmp_path, monkeypatch):
    """Return a function that starts a server for each name, and lets this process find them.

    What they are taken for is other machines than this one.
    """
    if SSHD is None:
        pytest.skip("needs openssh-server")
    monkeypatch.setattr(boards, "boot_id", lambda: "another machine")
    running = []

    def start(*names):
        for name in names:
            programs = tmp_path / name / "programs"
            programs.mkdir(parents=True)
            write_python(programs, {})
            path = f"{programs}:{os.environ['PATH']}"
            running.append(Sshd(tmp_path / name, path, name))
            running[-1].start()
        running[0].find_too(*running[1:])
        monkeypatch.setenv("PATH", running[0].client_path)
        return running

    yield start
    for server in running:
        server.stop()


def write_python(programs, env):
    """Write the board's own interpreter."""
    python = programs / "board-python"
    words = " ".join(f"{name}={value}" for name, value in env.items())
    python.write_text(f'#!/bin/sh\nexec env {words} {sys.executable} "$@"\n')
    python.chmod(0o755)


@pytest.fixture
def search(tiny_space, tmp_path):
    """Return a function that searches on boards by name: the run that is read back, and events."""

    def run(*names, trials, changes=None, on_event=lambda _event: None):
        connect = [f"ssh://{name}" for name in names]
        device = {
            "device.connect": connect if len(connect) > 1 else connect[0],
            "device.python": "board-python",
        }
        events = []

        def observe(event):
            events.append(event)
            on_event(event)

        space = tiny_space({**device, **(changes or {})})
        api.run(space, tmp_path / "run", trials=trials, observe=observe)
        return RunDirectory(tmp_path / "run").load(), events

    return run


def test_the_next_trial_is_built_while_a_board_measures(servers, search):
    servers("pi")
    run, events = search("pi", trials=5)
    assert [t.record.failure for t in run.trials] == [None] * 5
    assert sorted(t.number for t in run.trials) == list(range(5))
    assert any(overlaps(events, trial.number) for trial in run.trials)
    for trial in run.trials[1:]:
        assert trial.record.stage_seconds["benchmark"] > 0
    assert {trial.record.board for trial in run.trials} == {None}


def overlaps(events, number):
    """Say whether another trial was built between the first query of one and its end."""
    label = f"trial {number}"
    stages = [(e.trial, e.stage) if isinstance(e, StageStarted) else None for e in events]
    if (label, "benchmark") not in stages:
        return False
    begin = stages.index((label, "benchmark"))
    end = next(
        at
        for at, event in enumerate(events)
        if isinstance(event, TrialFinished) and event.trial.number == number
    )
    others = [each for each in stages[begin:end] if each is not None and each[0] != label]
    return any(stage in ("compress", "export", "quantize") for _, stage in others)


def test_a_board_that_is_half_as_fast_is_left_out(servers, search, tmp_path):
    shim = tmp_path / "shim" / "onnxruntime"
    shim.mkdir(parents=True)
    (shim / "__init__.py").write_text(HALF_SPEED)
    servers("fast", "slow")
    write_python(tmp_path / "slow" / "programs", {"PYTHONPATH": shim.parent})
    run, events = search("fast", "slow", trials=3)
    notices = [event.text for event in events if isinstance(event, Notice)]
    left_out = [text for text in notices if "is left out" in text]
    assert len(left_out) == 1
    assert left_out[0].startswith("here at ssh://slow is left out: the baseline takes ")
    assert {trial.record.board for trial in run.trials[1:]} == {"here at ssh://fast"}
    assert [trial.record.failure for trial in run.trials] == [None] * 3


@pytest.mark.long
def test_boards_share_the_trials_and_one_that_dies_takes_none_along(
    servers, search, monkeypatch, tmp_path
):
    monkeypatch.setattr(canary, "LIMIT", 10.0)  # here they are the same machine, which others use
    monkeypatch.setattr(recovery, "REOPEN_S", 0.1)
    _, other = servers("a", "b")
    measured_on = []

    def stop_b_once_it_has_measured(event):
        if isinstance(event, TrialFinished):
            measured_on.append(event.trial.record.board)
            if measured_on.count("here at ssh://b") == 1:
                other.stop()

    run, events = search(
        *("a", "b"),
        trials=7,
        changes={"device.recovery": {"wait": 0.1}},
        on_event=stop_b_once_it_has_measured,
    )
    assert [trial.record.failure for trial in run.trials] == [None] * 7
    assert set(measured_on) >= {"here at ssh://a", "here at ssh://b"}
    assert {trial.record.board for trial in run.trials} <= {None, *measured_on}
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert any("here at ssh://b doesn't come back" in text for text in notices)
    assert any(text.endswith("The search goes on without it.") for text in notices)
