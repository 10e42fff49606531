from __future__ import annotations

import json

import pytest

from search.records import Confirmation, Failure, TrialRecord
from search.run_facts import RunFacts
from spaces.objectives import OBJECTIVES, figure_objective


def through_json(data):
    return json.loads(json.dumps(data, allow_nan=False))


def test_a_record_survives_json_whole(build):
    full = build.record(
        more={"power_w": None},
        violations={"accuracy": 0.5},
        flags=["other work took 23 %"],
        confirmation=Confirmation(3, {"latency_p90_s": 0.001, "power_w": None}),
        artifact="/store/model.xml",
        artifact_sha256="ab" * 32,
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
        notices=("a stand-in",),
        space_path="/spaces/tiny.yaml",
        overrides=("budget.trials=3",),
        bounds={"latency_p90_ms": (None, 5.0), "accuracy": (0.9, None)},
        figures=(figure_objective("ethosu_cycles", "minimize"),),
    )
    assert RunFacts.from_json(through_json(facts.to_json())) == facts


def test_what_an_engine_tells_may_be_bounded_without_being_an_objective(build):
    cycles = figure_objective("ethosu_cycles", "minimize")
    facts = build.facts(figures=(cycles,), bounds={"ethosu_cycles": (None, 9e5)})
    assert facts.bounded == (cycles,)
    assert facts.constraints == ("ethosu_cycles <= 9e+05",)


def test_what_an_earlier_version_kept_is_left_out(build):
    kept = {**through_json(build.record().to_json()), "engine_metrics": {"cycles": 7.0}}
    assert TrialRecord.from_json(kept) == build.record()


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


def test_a_confirmed_value_has_moved_from_what_the_search_saw(build):
    found = build.record(1.5, confirmation=Confirmation(3, {"latency_p90_s": 0.001}))
    assert found.moved(OBJECTIVES["latency_p90_ms"]) == pytest.approx(1.5)
    assert found.moved(OBJECTIVES["peak_memory_mib"]) is None
    assert build.record().moved(OBJECTIVES["latency_p90_ms"]) is None


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
