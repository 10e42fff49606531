"""Searches on a board behind a real sshd, whose link is cut while it measures."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from evaluators.devices import recovery
from search.errors import DeviceGone
from search.run_directory import RunDirectory
from search.session import Session
from search.state import StudyState
from spaces.load import load_space
from tests.search.runs import states
from tests.sshd import Sshd, running_sshd, wait_for

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def board(tmp_path):
    with running_sshd(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def on_board(tiny_space, board):
    """Return how to run the tiny space there: a space file and the environment."""

    def write(changes=None):
        device = {"device.connect": "ssh://board", "device.python": sys.executable}
        # fp32 alone, and no training: what is shown here has to do with neither.
        quick = {"search.precision": ["fp32"], "search.distillation": None}
        return tiny_space({**device, **quick, **(changes or {})}), {"PATH": board.client_path}

    return write


def restarted(board):
    """Cut the link, and let the board be back at once."""
    board.stop()
    board.start()


def away_for_20_s(board):
    """Cut the link, and let nobody connect for as long as a board takes to start."""
    board.stop()
    time.sleep(20)
    board.start()


def follow(process, board, cuts):
    """Read what a run prints to its end; cut its link in the first measurement after some lines.

    Args:
        process: Of the run.
        board: Where it measures.
        cuts: The beginning of a line, and what is then done to the board, in order.

    Returns:
        The lines.
    """
    lines, left = [], list(cuts)
    for line in process.stdout:
        lines.append(line.strip())
        if left and lines[-1].startswith(left[0][0]):
            _, cut = left.pop(0)
            # A trial may be trained first.
            wait_for(lambda: any("benchmark.worker" in each for each in board.processes()), 120)
            cut(board)
    assert left == [], lines
    return lines


def was_lost_in(run_dir):
    """Return what was being measured each time that the device went away, from the run's log."""
    measured, found = "", []
    for line in (run_dir / "run.log").read_text().splitlines():
        stage = re.search(r"([a-z]\w*(?: \d+)?): benchmark$", line)
        if stage:
            measured = stage[1]
        elif " went away: board: the link is cut" in line:
            found.append(measured)
    return found


def check_nothing_is_lost_doubled_or_left(board, run_dir, name, lines, trials):
    """Make sure that each trial was told once, with all its numbers, and the board is clean."""
    assert [line for line in lines if "doesn't answer" in line] == []
    ends = states(run_dir, name)
    assert len(ends) == trials
    assert set(ends) <= {"COMPLETE", "PRUNED"}
    done = RunDirectory(run_dir).load().trials
    assert [trial.number for trial in done] == list(range(trials))
    failures = [trial.record.failure for trial in done]
    assert {failure.kind for failure in failures if failure} <= {"gated"}
    told = [line.partition(" ")[0] for line in lines if line.startswith("[")]
    assert told == [f"[{number}/{trials}]" for number in range(1, trials + 1)]
    wait_for(lambda: not board.processes())
    assert list((board.cache / "work").iterdir()) == []


def test_a_search_whose_link_is_cut_loses_no_trial(start, on_board, board, tmp_path):
    # Long enough that the second trial isn't measured before its link is cut.
    space, env = on_board({"measuring.duration": "3s", "budget.trials": 2})
    process = start("--space", space, "--run", "run", env=env)
    lines = follow(process, board, [("baseline: benchmark", restarted), ("[1/2]", restarted)])
    assert process.wait() == 0, lines
    assert was_lost_in(tmp_path / "run") == ["baseline", "trial 1"]
    assert sum("here is back after: " in line for line in lines) == 2
    check_nothing_is_lost_doubled_or_left(board, tmp_path / "run", "tiny", lines, 2)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_coral_search_survives_five_cuts(start, board, tmp_path):
    """Ten minutes. Prints what was cut; `-s` shows it."""
    changes = ("device.connect=ssh://board", f"device.python={sys.executable}", "budget.timeout=")
    sets = [part for change in changes for part in ("--set", change)]
    process = start(
        *("--space", REPOSITORY / "spaces/coral.yaml", "--run", "run", "--trials", 10, *sets),
        env={"PATH": board.client_path},
    )
    signs = ["baseline: benchmark", *(f"[{number}/10]" for number in (2, 4, 6, 8))]
    lines = follow(process, board, list(zip(signs, [Sshd.cut, away_for_20_s] * 3, strict=False)))
    sys.stdout.write("\n".join(lines) + "\n")
    assert process.wait() == 0
    lost_in = was_lost_in(tmp_path / "run")
    sys.stdout.write(f"cut in: {', '.join(lost_in)}\n")
    assert len(lost_in) == 5
    assert sum("coral-usb is back after: reopening." in line for line in lines) == 5
    check_nothing_is_lost_doubled_or_left(board, tmp_path / "run", "coral", lines, 10)
    assert RunDirectory(tmp_path / "run").load().is_confirmed


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
