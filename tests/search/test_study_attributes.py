from __future__ import annotations

import pytest
from optuna.trial import TrialState

from evaluators.measurement import Quantity, unavailable
from evaluators.peak import Peak
from evaluators.spread import ProcessSpread
from search import study_attributes
from search.drift import CanaryReading
from search.records import Failure
from search.study_attributes import BASELINE, RECORD, RUN, run_of_study


@pytest.fixture
def told(build, study):
    """Return a study of as many told trials as records, its facts and baseline kept."""

    def make(*records):
        live = study()
        study_attributes.keep_facts(live, build.facts())
        study_attributes.keep_baseline(live, build.record(2.0))
        for each in records:
            trial = live.ask()
            trial.set_user_attr(RECORD, each.to_json())
            live.tell(trial, [1.0, 4.0, 0.95])
        return live

    return make


def test_a_run_is_read_back_from_its_study_alone(build, study):
    live = study()
    facts, base = build.facts(), build.record(2.0)
    live.set_user_attr(RUN, facts.to_json())
    live.set_user_attr(BASELINE, base.to_json())
    kept = [build.record(1.0), build.failed("rejected")]
    for each, told in zip(kept, ([1.0, 4.0, 0.95], TrialState.PRUNED), strict=True):
        trial = live.ask()
        trial.set_user_attr(RECORD, each.to_json())
        values = told if isinstance(told, list) else None
        live.tell(trial, values, state=None if values else told)
    killed = live.ask()
    killed.suggest_float("sparsity", 0, 1)
    live.tell(killed, state=TrialState.FAIL)
    live.ask()  # under way

    run = run_of_study(live)
    assert (run.facts, run.baseline) == (facts, base)
    assert [trial.state for trial in run.trials] == ["complete", "pruned", "failed"]
    assert [trial.record for trial in run.trials[:2]] == kept
    interrupted = run.trials[2].record
    assert interrupted.failure == Failure(
        "interrupted", "the run was killed while this trial was under way", None
    )
    assert interrupted.params == {"engine": "", **killed.params}


def test_a_run_has_no_baseline_before_it_was_measured(build, study):
    live = study()
    live.set_user_attr(RUN, build.facts().to_json())
    assert run_of_study(live).baseline is None


def test_a_peak_takes_the_place_of_what_was_kept_of_its_engine_and_precision(told):
    live = told()
    assert run_of_study(live).peaks == []  # as in a run from before there were any
    none = unavailable("1/s", "no torch here")
    first, other = Peak("onnxruntime", "int8", none), Peak("onnxruntime", "fp32", none)
    found = Peak("onnxruntime", "int8", Quantity(1e9, "1/s", "a net", "measured"), ["busy"])
    for peak in (first, other, found):
        study_attributes.keep_peak(live, peak)
    assert run_of_study(live).peaks == [found, other]


def test_spreads_survive_the_end_of_a_session(told):
    live = told()
    assert study_attributes.kept_spreads(live) == {}
    spreads = {"latency_p50_s": ProcessSpread(0.5, 3)}
    study_attributes.keep_spreads(live, spreads)
    assert study_attributes.kept_spreads(live) == spreads


def test_trials_of_a_drifted_stretch_are_flagged_and_the_others_not(build, told):
    live = told(*(build.record(float(n)) for n in range(1, 5)))
    for reading in (CanaryReading(1, 1.01, 5.0), CanaryReading(3, 1.08, 9.0)):
        study_attributes.keep_reading(live, reading)
    flags = [trial.record.flags for trial in run_of_study(live).trials]
    drift = ["drift: the baseline was 8% slower just then"]
    assert flags == [[], drift, drift, drift]
    assert [reading.trials for reading in run_of_study(live).canary] == [1, 3]


def test_a_trial_measured_again_after_drift_is_the_newer_one_unflagged(build, told):
    live = told(build.record(1.0), build.record(1.1))
    study_attributes.keep_reading(live, CanaryReading(2, 1.08, 9.0))
    study_attributes.keep_repeated(live, 1, build.record(0.9), n_trials=2)
    again = run_of_study(live).trials
    assert [trial.record.flags != [] for trial in again] == [True, False]
    assert again[1].record == build.record(0.9)


def test_a_repeat_is_flagged_if_the_machine_had_drifted_by_then(build, told):
    live = told(*(build.record(float(n)) for n in range(1, 4)))
    study_attributes.keep_repeated(live, 0, build.record(0.9), n_trials=1)
    study_attributes.keep_reading(live, CanaryReading(1, 1.0, 5.0))
    study_attributes.keep_reading(live, CanaryReading(2, 1.2, 9.0))
    assert all(trial.record.flags for trial in run_of_study(live).trials)


def keep(live, build, records, *, baseline=None, n_trials=2, bounds=None, lost=None):
    study_attributes.keep_confirmed(
        live, n_trials, records, baseline, bounds=bounds or {}, lost=lost or {}
    )


def test_what_was_confirmed_counts_until_another_trial_ends(build, told):
    live = told(build.record(1.0), build.record(1.1))
    keep(live, build, {1: build.record(1.2)}, baseline=build.record(2.2), lost={0: "crashed."})
    found = run_of_study(live)
    assert found.baseline == build.record(2.2)
    assert [trial.record for trial in found.trials] == [build.record(1.0), build.record(1.2)]
    assert found.lost == {0: "crashed."}
    searched = run_of_study(live, confirmed=False)
    assert searched.baseline == build.record(2.0)
    assert [trial.record for trial in searched.trials] == [build.record(1.0), build.record(1.1)]

    trial = live.ask()
    trial.set_user_attr(RECORD, build.record(3.0).to_json())
    live.tell(trial, [1.0, 4.0, 0.95])
    assert run_of_study(live).trials[1].record == build.record(1.1)
    assert run_of_study(live).baseline == build.record(2.0)


def test_all_trials_are_judged_by_the_bounds_that_were_confirmed(build, told):
    live = told(build.record(1.0), build.record(1.1))
    keep(live, build, {1: build.record(1.2)}, bounds={"latency_p90_ms": (None, 1.1)})
    found = run_of_study(live)
    assert found.facts.bounds == {"latency_p90_ms": (None, 1.1)}
    assert [trial.record.is_feasible for trial in found.trials] == [True, False]


def test_half_a_confirmation_never_counts(build, told, monkeypatch):
    live = told(build.record(1.0), build.record(1.1))
    keep(live, build, {0: build.record(1.3), 1: build.record(1.2)})
    write = type(live).set_user_attr

    def killed_at_trial_1(study, name, value):
        if name == "confirmed:1":
            raise KeyboardInterrupt
        write(study, name, value)

    monkeypatch.setattr(type(live), "set_user_attr", killed_at_trial_1)
    with pytest.raises(KeyboardInterrupt):
        keep(live, build, {0: build.record(1.5), 1: build.record(1.4)})
    assert [trial.record for trial in run_of_study(live).trials] == [
        build.record(1.0), build.record(1.1),
    ]  # fmt: skip
