from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.candidate import Candidate
from search.policy.known import KnownTrials
from search.records import Failure

ASKED = Candidate("openvino", "int8", 0.5)
UNASKED = replace(ASKED, flags={"threads": 2})
OTHER = replace(ASKED, sparsity=0.7)


@pytest.fixture
def gated(build):
    """Return a record of a trial that a gate ended at a stage."""

    def make(ms, stage):
        record = build.record(ms, 4.0, 0.5)
        numbers = {n: q for n, q in record.quantities.items() if not n.startswith("accuracy")}
        return replace(record, quantities=numbers, failure=Failure("gated", "it is slow", stage))

    return make


def test_what_was_not_asked_for_its_answers_has_the_metric_of_its_model(build, gated):
    run = build.run(build.record(1.0, 4.0, 0.9), gated(3.0, "score"))
    asked, unasked = KnownTrials().of(run, {0: ASKED, 1: UNASKED})
    assert unasked.metric_cost == asked.metric_cost == -0.9
    assert unasked.costs[0] > asked.costs[0]
    assert unasked.costs[1:].tolist() == asked.costs[1:].tolist()


@pytest.mark.parametrize(("candidate", "stage"), [(OTHER, "score"), (UNASKED, "benchmark")])
def test_what_is_of_another_model_or_was_only_probed_is_not_known(build, gated, candidate, stage):
    run = build.run(build.record(1.0, 4.0, 0.9), gated(3.0, stage))
    assert [known.trial.number for known in KnownTrials().of(run, {0: ASKED, 1: candidate})] == [0]


def test_a_trial_that_was_measured_again_is_looked_at_again(build):
    trials, run = KnownTrials(), build.run(build.record(1.0, 4.0, 0.9))
    trials.of(run, {0: ASKED})
    again = replace(run.trials[0], record=build.record(2.0, 4.0, 0.91))
    assert trials.of(replace(run, trials=[again]), {0: ASKED})[0].metric_cost == -0.91
