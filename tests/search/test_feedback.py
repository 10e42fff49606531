from __future__ import annotations

import pytest
from optuna.trial import TrialState

from search import feedback
from search.feedback import UNBUILDABLE
from search.records import Failure, TrialRecord
from search.study_attributes import RECORD


@pytest.fixture
def told(build, study):
    """Tell one record to a real study and return what Optuna then knows of it."""

    def tell(record):
        live = study()
        feedback.tell(live, live.ask(), record, build.objectives())
        (trial,) = live.trials
        assert TrialRecord.from_json(trial.user_attrs[RECORD]) == record
        return trial

    return tell


def test_what_was_measured_is_complete_with_its_true_values(build, told):
    trial = told(build.record(1.5, 4.0, 0.95, violations={"latency_p90_ms": -0.25}))
    assert trial.state is TrialState.COMPLETE
    assert trial.values == pytest.approx([1.5, 4.0, 0.95])
    assert trial.constraints == {"latency_p90_ms": -0.25, UNBUILDABLE: 0.0}


def test_what_breaks_a_bound_is_complete_with_a_positive_constraint(build, told):
    trial = told(build.record(1.5, violations={"latency_p90_ms": 0.5, "accuracy": -0.1}))
    assert trial.state is TrialState.COMPLETE
    assert trial.values == pytest.approx([1.5, 4.0, 0.95])
    assert trial.constraints == {"latency_p90_ms": 0.5, "accuracy": -0.1, UNBUILDABLE: 0.0}


@pytest.mark.parametrize("kind", ["rejected", "input"])
def test_what_cannot_be_built_is_pruned_and_has_no_values(build, told, kind):
    trial = told(build.failed(kind))
    assert trial.state is TrialState.PRUNED
    assert trial.values is None
    assert trial.constraints == {UNBUILDABLE: 10.0}
    assert trial.user_attrs[RECORD]["failure"]["reason"] == "out of memory"


def test_what_a_gate_ended_is_pruned_but_not_unbuildable(build, told):
    gated = Failure("gated", "trial 3 would dominate it", "benchmark")
    trial = told(build.record(1.5, failure=gated, violations={"latency_p90_ms": 0.5}))
    assert trial.state is TrialState.PRUNED
    assert trial.values is None
    assert trial.constraints == {"latency_p90_ms": 0.5, UNBUILDABLE: 0.0}


@pytest.mark.parametrize("kind", ["device_lost", "interrupted"])
def test_what_says_nothing_of_the_candidate_fails_without_blame(build, told, kind):
    trial = told(build.failed(kind))
    assert trial.state is TrialState.FAIL
    assert trial.values is None
    assert trial.constraints == {UNBUILDABLE: 0.0}


@pytest.mark.parametrize("kind", [None, "rejected", "device_lost"])
def test_a_trial_killed_before_it_was_told_is_told_from_its_record(build, study, told, kind):
    record = build.record() if kind is None else build.failed(kind)
    live = study()
    killed = live.ask()
    killed.set_user_attr(RECORD, record.to_json())
    kept = TrialRecord.from_json(live.trials[0].user_attrs[RECORD])
    feedback.finish(live, killed.number, kept, build.objectives())
    at_once = told(record)
    assert (live.trials[0].state, live.trials[0].values) == (at_once.state, at_once.values)
