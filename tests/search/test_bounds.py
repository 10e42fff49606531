from __future__ import annotations

from dataclasses import replace

import pytest

from search.bounds import judged, relative_overshoot, resolve_bounds, violations_of
from search.records import Failure
from spaces.constraints import Constraint
from spaces.objectives import ACCURACY, OBJECTIVES, Objective

LATENCY, POWER = OBJECTIVES["latency_p90_ms"], OBJECTIVES["power_w"]
THROUGHPUT = OBJECTIVES["throughput_per_s"]


@pytest.mark.parametrize(
    ("value", "bound", "is_upper", "overshoot"),
    [
        (65, 50, True, 0.3),
        (40, 50, True, -0.2),
        (50, 50, True, 0.0),
        (0.5, 2.0, False, 0.75),
        (3.0, 2.0, False, -0.5),
        (-1.0, -2.0, True, 0.5),
        (-4.0, -2.0, False, 1.0),
        (0.25, 0.0, True, 0.25),
        (0.25, 0.0, False, -0.25),
    ],
)
def test_an_overshoot_is_relative_to_its_bound(value, bound, is_upper, overshoot):
    assert relative_overshoot(value, bound, is_upper=is_upper) == pytest.approx(overshoot)


@pytest.mark.parametrize(
    ("objective", "constraint", "bounds"),
    [
        (LATENCY, {"max": 50}, (None, 50)),
        (LATENCY, {"min": 1}, (1, None)),
        (LATENCY, {"max_ratio": 0.5}, (None, 1.0)),
        (LATENCY, {"min_ratio": 0.25}, (0.5, None)),
        (LATENCY, {"max": 0.8, "max_ratio": 0.5}, (None, 0.8)),
        (LATENCY, {"max": 1.5, "max_ratio": 0.5}, (None, 1.0)),
        (LATENCY, {"min": 0.1, "min_ratio": 0.25, "max": 3}, (0.5, 3)),
        (THROUGHPUT, {"min_ratio": 2}, (800.0, None)),
        (ACCURACY, {"max_drop": 0.02}, (0.94, None)),
        (ACCURACY, {"max_drop": 0.02, "min": 0.9}, (0.94, None)),
        (ACCURACY, {"max_drop": 0.02, "min": 0.95}, (0.95, None)),
        (ACCURACY, {"min_ratio": 0.5}, (0.475, None)),
    ],
)
def test_bounds_come_to_numbers(build, objective, constraint, bounds):
    """The baseline has 2 ms, 400 samples a second and 0.95; the reference is 0.96."""
    base = build.record(2.0, more={"throughput_per_s": 400.0})
    found = resolve_bounds({objective: Constraint(**constraint)}, base, 0.96)
    assert found == {objective.name: pytest.approx(bounds)}


def test_a_drop_of_a_metric_that_should_fall_is_a_rise(build):
    error = Objective("error", "minimize", "", "error")
    found = resolve_bounds({error: Constraint(max_drop=0.02)}, None, 0.05)
    assert found == {"error": pytest.approx((None, 0.07))}


def test_what_a_bound_refers_to_may_be_missing(build):
    constraints = {
        LATENCY: Constraint(max_ratio=0.5, max=3),
        POWER: Constraint(max_ratio=0.5),
        ACCURACY: Constraint(max_drop=0.02),
    }
    unbounded = {"latency_p90_ms": (None, 3), "power_w": (None, None), "accuracy": (None, None)}
    assert resolve_bounds(constraints, None, None) == unbounded
    no_power = build.record(2.0, more={"power_w": None})
    found = resolve_bounds(constraints, no_power, 0.96)
    assert found["power_w"] == (None, None)
    assert found["latency_p90_ms"] == pytest.approx((None, 1.0))


def test_violations_are_measured_on_the_numbers_people_see(build):
    numbers = build.quantities({"latency_p90_ms": 65.0, "accuracy": 0.47, "power_w": 3.0})
    bounds = {"latency_p90_ms": (None, 50.0), "accuracy": (0.94, None), "power_w": (1.0, 4.0)}
    found = violations_of(numbers, [LATENCY, ACCURACY, POWER], bounds)
    assert found == pytest.approx({"latency_p90_ms": 0.3, "accuracy": 0.5, "power_w": -0.25})


@pytest.mark.parametrize(("watts", "overshoot"), [(0.5, 0.5), (1.0, 0.0), (6.0, 0.5)])
def test_of_a_range_the_side_that_is_broken_counts(build, watts, overshoot):
    found = violations_of(build.quantities({"power_w": watts}), [POWER], {"power_w": (1.0, 4.0)})
    assert found == pytest.approx({"power_w": overshoot})


def test_what_is_unavailable_is_inside_no_bound(build):
    found = violations_of(build.quantities({"power_w": None}), [POWER], {"power_w": (None, 4.0)})
    assert found == {"power_w": 10.0}


def test_a_ratio_without_a_baseline_bounds_nothing(build):
    found = violations_of(build.quantities({"power_w": 3.0}), [POWER], {"power_w": (None, None)})
    assert found == {"power_w": 0.0}


def test_a_record_is_judged_by_the_bounds_of_its_run(build):
    facts = build.facts(bounds={"latency_p90_ms": (None, 0.8), "accuracy": (0.9, None)})
    found = judged(build.record(1.0, violations={"latency_p90_ms": -5.0}), facts)
    assert found.violations["latency_p90_ms"] == pytest.approx(0.25)
    assert found.violations["accuracy"] < 0


def test_what_has_no_numbers_is_not_judged(build):
    assert judged(build.failed("rejected"), build.facts(bounds={"accuracy": (0.9, None)})) == (
        build.failed("rejected")
    )


def test_what_a_gate_ended_is_judged_by_what_was_measured(build):
    record = build.record(3.0, failure=Failure("gated", "too slow", "benchmark"))
    probed = {name: q for name, q in record.quantities.items() if name != "accuracy"}
    facts = build.facts(bounds={"accuracy": (0.9, None), "latency_p90_ms": (None, 2.0)})
    found = judged(replace(record, quantities=probed), facts)
    assert found.violations == {"latency_p90_ms": pytest.approx(0.5)}
