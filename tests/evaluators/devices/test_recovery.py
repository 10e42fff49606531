"""The stages over a device that comes back when it is told to; time is a counter."""

from __future__ import annotations

import re
import sys

import pytest

from evaluators.devices.recovery import REOPEN_S, Recovery, RecoveryPlan
from evaluators.failures import DeviceLost

LOST = DeviceLost("the cable was pulled.")


class Flaky:
    """Answers ``after`` so many attempts, or after a program ran on it."""

    name, board = "board", None

    def __init__(self, after=None, cured_by=None):
        self.after, self.cured_by, self.attempts, self.done = after, cured_by, 0, []

    def reopen(self):
        self.attempts += 1
        if self.after is None or self.attempts <= self.after:
            raise DeviceLost("no answer.")

    def command(self, program):
        self.done.append(program)
        if self.cured_by == program:
            self.after = 0

    def hang_up(self):
        self.done.append("hang up")


@pytest.fixture
def recovery():
    def make(device, plan=None):
        now, said = [0.0], []

        def sleep(seconds):
            now[0] += seconds

        made = Recovery(
            device, plan or RecoveryPlan(wait_s=60.0), said.append, sleep, lambda: now[0]
        )
        return made, said, now

    return make


def test_a_link_that_is_back_at_once_costs_no_time(recovery):
    made, said, now = recovery(Flaky(after=0))
    assert made.bring_back(LOST, 1) is None
    assert said == ["board went away: the cable was pulled.", "board is back after: reopening."]
    assert now == [0.0]


def test_it_is_tried_for_as_long_as_the_stage_takes(recovery):
    made, said, now = recovery(Flaky(after=8))
    assert made.bring_back(LOST, 1) is None
    assert 20 < now[0] < REOPEN_S
    assert said[-1] == "board is back after: reopening."


def test_what_never_comes_back_is_given_up_with_all_that_was_tried(recovery):
    made, said, now = recovery(Flaky())
    assert made.bring_back(LOST, 1) == (
        "board doesn't come back: no answer. Tried: reopening, waiting up to 60 s."
    )
    assert REOPEN_S < now[0] < REOPEN_S + 60
    assert [line.partition(" (")[0] for line in said[1:]] == [
        "board doesn't answer after: reopening",
        "board doesn't answer after: waiting up to 60 s",
    ]


def test_a_reset_is_a_program_here_and_a_reboot_one_there(recovery, tmp_path):
    done = tmp_path / "done"
    name = "os.environ['EDGE_INFERENCE_SEARCH_BOARD']"
    write = f"import os, pathlib; pathlib.Path({str(done)!r}).write_text({name})"
    plan = RecoveryPlan((sys.executable, "-c", write), ("reboot",), 60.0)
    device = Flaky(cured_by=("reboot",))
    made, said, _ = recovery(device, plan)
    assert made.bring_back(LOST, 1) is None
    assert done.exists()
    assert device.done == ["hang up", ("reboot",)]
    assert done.read_text() == "board"
    assert said[-1] == "board is back after: reboot."


def test_a_device_that_answers_but_loses_the_job_again_is_reset_at_once(recovery, tmp_path):
    done = tmp_path / "done"
    plan = RecoveryPlan(("touch", str(done)), None, 60.0)
    made, said, _ = recovery(Flaky(after=0), plan)
    assert made.bring_back(LOST, 1) is None
    assert not done.exists()
    assert made.bring_back(LOST, 2) is None
    assert done.exists()
    assert said[-1] == "board is back after: reset."


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (("no-such-hub",), r"reset of board failed: no-such-hub: .*No such file"),
        ((sys.executable, "-c", "print('no hub'); exit(3)"), r"exit code 3: no hub"),
    ],
)
def test_a_reset_that_fails_says_so_and_the_next_stage_comes(recovery, program, expected):
    made, said, _ = recovery(Flaky(after=0), RecoveryPlan(program, None, 60.0))
    assert made.bring_back(LOST, 2) is None
    assert any(re.search(expected, line) for line in said)
