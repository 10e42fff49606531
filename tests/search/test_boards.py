"""Searches on a board behind a real sshd, whose link is cut while it measures."""

from __future__ import annotations

import sys

import pytest

from evaluators.devices import recovery
from search.errors import DeviceGone
from search.run_directory import RunDirectory
from search.session import Session
from search.state import StudyState
from spaces.load import load_space
from tests.sshd import SSHD, Sshd, wait_for


@pytest.fixture
def board(tmp_path):
    if SSHD is None:
        pytest.skip("needs openssh-server")
    folder = tmp_path / "sshd"
    folder.mkdir()
    server = Sshd(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def on_board(tiny_space, board):
    """Return how to run the tiny space there: a space file and the environment."""

    def write(changes=None):
        device = {"device.connect": "ssh://board", "device.python": sys.executable}
        # fp32 alone, and no training: what is shown here has to do with neither.
        quick = {"search.precision": ["fp32"], "search.distillation": None}
        return tiny_space({**device, **quick, **(changes or {})}), {"PATH": board.client_path}

    return write


def test_a_search_whose_link_is_cut_loses_no_trial(start, on_board, board, tmp_path):
    space, env = on_board({"measuring.duration": "0.5s", "budget.trials": 2})
    process = start("--space", space, "--run", "run", env=env)
    lines, to_cut = [], ["baseline: benchmark", "[1/2]"]
    for line in process.stdout:
        lines.append(line.strip())
        if to_cut and lines[-1].startswith(to_cut[0]):
            del to_cut[0]
            wait_for(lambda: any("benchmark.worker" in each for each in board.processes()))
            board.stop()
            board.start()
    assert process.wait() == 0, lines
    assert to_cut == []
    assert sum("here went away: board: the link is cut" in line for line in lines) == 2
    assert sum("here is back after: " in line for line in lines) == 2
    trials = RunDirectory(tmp_path / "run").load().trials
    assert [trial.record.failure for trial in trials] == [None] * 2
    wait_for(lambda: not board.processes())
    assert list((board.cache / "work").iterdir()) == []


def test_a_board_that_stays_away_ends_the_run_and_keeps_it(
    on_board, board, tmp_path, monkeypatch, capsys
):
    reset, run = tmp_path / "reset", tmp_path / "run"
    allowed = {"reset": ["touch", str(reset)], "wait": 0.1}
    space, env = on_board({"device.recovery": allowed, "budget.trials": 50})
    monkeypatch.setenv("PATH", env["PATH"])
    monkeypatch.setattr(recovery, "REOPEN_S", 0.1)
    monkeypatch.setattr(recovery, "RESET_S", 0.1)
    add = StudyState.add

    def stop_after_one(state, trial, candidate):
        add(state, trial, candidate)
        if trial.number == 0:
            board.stop()

    monkeypatch.setattr(StudyState, "add", stop_after_one)
    session = Session(load_space(space), run, plain=True)
    with pytest.raises(
        DeviceGone, match=r"^here doesn't come back: board: the link is cut .*goes on"
    ):
        session.run(trials=None, timeout_s=None, storage=None, seed=None)
    assert reset.exists()
    assert "here doesn't answer after: reset" in capsys.readouterr().out
    assert (run / "report.html").is_file()
    board.start()
    monkeypatch.setattr(StudyState, "add", add)
    assert session.run(trials=2, timeout_s=None, storage=None, seed=None) == 0
    trials = RunDirectory(run).load().trials
    assert [trial.number for trial in trials if trial.record.failure is None] == [0, 2]


def test_devices_says_what_a_board_has(run_cli, board):
    done = run_cli(
        *("devices", "--connect", "ssh://board", "--python", sys.executable),
        env={"PATH": board.client_path, "COLUMNS": "300"},
    )
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
    assert ["python", sys.version.split()[0]] in rows
    assert any(row[:1] == ["litert"] for row in rows)


def test_devices_refuses_what_is_no_board(run_cli):
    done = run_cli("devices", "--connect", "ssh://pi:secret@board")
    assert done.returncode == 2
    assert "--connect must not hold a password" in done.stderr
    done = run_cli("devices", "--connect", "ssh://nobody.invalid")
    assert done.returncode == 3
    assert "error: nobody.invalid: the link is cut" in done.stderr
