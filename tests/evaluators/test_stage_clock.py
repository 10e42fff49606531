"""What counts as a stage's time."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from evaluators.failures import CandidateRejected
from evaluators.stage_clock import StageClock

WAIT_S, WORK_S = 0.3, 0.05


@contextmanager
def busy_for_a_while():
    time.sleep(WAIT_S)
    yield


def test_waiting_for_ones_turn_is_not_the_stages_time():
    clock = StageClock(lambda _name: None)
    with clock.stage("benchmark"), clock.turn(busy_for_a_while()):
        time.sleep(WORK_S)
    assert WORK_S <= clock.seconds["benchmark"] < WAIT_S
    with clock.stage("score"):
        time.sleep(WORK_S)
    assert WORK_S <= clock.seconds["score"] < WAIT_S


def test_a_failure_has_the_stage_it_left():
    clock = StageClock(lambda _name: None)
    with pytest.raises(CandidateRejected) as caught, clock.stage("compile"):
        raise CandidateRejected("no")
    assert caught.value.stage == "compile"
