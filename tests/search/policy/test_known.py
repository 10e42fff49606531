from __future__ import annotations

import math
from dataclasses import replace

import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.known import KnownTrials

PLAIN = Candidate("openvino", "int8", 0.5)
TRAINED = replace(PLAIN, distillation=Distillation(2, 4.0, 0.5))
OTHER = replace(PLAIN, flags={"threads": 2})


@pytest.fixture
def run(build):
    """Return a run of trials given as (latency in ms, accuracy)."""

    def make(*trials):
        return build.run(*(build.record(ms, 4.0, accuracy) for ms, accuracy in trials))

    return make


def shown(known):
    return [(each.values[0], -each.values[2]) for each in known]


def test_trials_alike_in_speed_share_what_they_cost_but_for_the_metric(run):
    known = KnownTrials().of(
        run((1.0, 0.90), (3.0, 0.94), (5.0, 0.90)), {0: PLAIN, 1: TRAINED, 2: OTHER}
    )
    assert shown(known) == [(2.0, 0.90), (2.0, 0.94), (5.0, 0.90)]
    assert known[0].costs[0] == known[1].costs[0] == pytest.approx(math.log(2.0))


def test_a_trial_that_comes_later_or_is_measured_again_counts_for_those_before(build, run):
    trials = KnownTrials()
    candidates = {0: PLAIN, 1: TRAINED}
    first = run((1.0, 0.90), (2.0, 0.94))
    assert shown(trials.of(replace(first, trials=first.trials[:1]), candidates)) == [(1.0, 0.90)]
    assert shown(trials.of(first, candidates)) == [(1.5, 0.90), (1.5, 0.94)]
    again = replace(first.trials[0], record=build.record(4.0, 4.0, 0.91))
    measured_again = replace(first, trials=[again, first.trials[1]])
    assert shown(trials.of(measured_again, candidates)) == [(3.0, 0.91), (3.0, 0.94)]
