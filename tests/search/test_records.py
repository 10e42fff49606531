from __future__ import annotations

import json

import pytest
from optuna.trial import TrialState

from search.records import (
    BASELINE,
    RECORD,
    RUN,
    Failure,
    RunFacts,
    TrialRecord,
    run_of_study,
)
from spaces.objectives import OBJECTIVES


def through_json(data):
    return json.loads(json.dumps(data, allow_nan=False))


def test_a_record_survives_json_whole(build):
    full = build.record(
        more={"power_w": None},
        violations={"accuracy": 0.5},
        artifact="/store/model.xml",
        artifact_sha256="ab" * 32,
        engine_metrics={"edgetpu_offchip_mib": 0.5},
        notes=["uses 1 of 2 threads"],
        facts={"macs": 7},
        stage_seconds={"export": 1.5},
        found_stages=["compress"],
        ask_seconds=0.25,
        overhead_seconds=0.5,
    )
    assert TrialRecord.from_json(through_json(full.to_json())) == full


def test_a_failure_survives_json(build):
    failed = build.failed("rejected")
    assert TrialRecord.from_json(through_json(failed.to_json())) == failed


def test_the_facts_of_a_run_survive_json(build):
    facts = build.facts(
        notices=("a stand-in",), bounds={"latency_p90_ms": (None, 5.0), "accuracy": (0.9, None)}
    )
    assert RunFacts.from_json(through_json(facts.to_json())) == facts


@pytest.mark.parametrize(
    ("kind", "is_transient"), [("rejected", False), ("device_lost", True), ("interrupted", True)]
)
def test_a_lost_device_says_nothing_of_the_candidate(kind, is_transient):
    assert Failure(kind, "why", None).is_transient is is_transient


def test_feasible_is_what_was_measured_and_breaks_no_bound(build):
    assert build.record().is_feasible
    assert build.record(violations={"power_w": 0.0, "accuracy": -0.1}).is_feasible
    assert not build.record(violations={"power_w": -0.5, "accuracy": 0.01}).is_feasible
    assert not build.failed("rejected").is_feasible


def test_values_are_shown_in_the_unit_of_their_name(build):
    found = build.record(1.5, 4.0, 0.95, more={"power_w": None})
    assert found.shown(OBJECTIVES["latency_p90_ms"]) == pytest.approx(1.5)
    assert found.quantities["latency_p90_s"].value == pytest.approx(0.0015)
    assert found.shown(OBJECTIVES["power_w"]) is None
    assert found.shown(OBJECTIVES["energy_mj"]) is None


def test_bounds_read_as_people_write_them(build):
    facts = build.facts(
        bounds={
            "latency_p90_ms": (None, 50.0),
            "peak_memory_mib": (None, None),
            "accuracy": (0.93999999, 1.0),
        }
    )
    assert facts.constraints == ("latency_p90_ms <= 50", "accuracy >= 0.94", "accuracy <= 1")
    assert facts.constraints_on("accuracy") == ("accuracy >= 0.94", "accuracy <= 1")
    assert facts.constraints_on("power_w") == ()


def test_a_trial_is_found_by_its_number(build):
    run = build.run(build.record(1.0), build.record(2.0))
    assert run.find(1) is run.trials[1]
    assert run.find(2) is None


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
