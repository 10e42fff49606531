from __future__ import annotations

import math

import pytest

from reports.recommendation import alternatives, by_preference, ratio_interval, recommended
from spaces.objectives import OBJECTIVES

LATENCY, MEMORY = OBJECTIVES["latency_p90_ms"], OBJECTIVES["peak_memory_mib"]


def test_the_first_objective_counts_first(build):
    run = build.run(build.record(1.0, 1.0, 0.99), build.record(0.9, 8.0, 0.92))
    assert recommended(run).number == 1


def test_where_the_first_is_equal_within_its_resolution_the_metric_decides(build):
    run = build.run(build.record(1.0, 1.0, 0.92), build.record(1.004, 8.0, 0.95))
    assert recommended(run).number == 1
    assert by_preference(run, run.trials) == [1, 0]


def test_the_metric_comes_before_what_stands_between(build):
    run = build.run(build.record(1.0, 9.0, 0.95), build.record(1.0, 8.0, 0.95))
    assert recommended(run).number == 1


def test_what_else_is_best_in_something_is_named_once(build):
    run = build.run(
        build.record(0.5, 9.0, 0.92), build.record(1.0, 1.0, 0.95), build.record(0.8, 4.0, 0.94)
    )
    ((trial, best_in),) = alternatives(run)
    assert trial.number == 1
    assert [objective.name for objective in best_in] == ["peak_memory_mib", "accuracy"]


def test_nothing_is_recommended_of_an_empty_front(build):
    run = build.run(build.failed())
    assert recommended(run) is None
    assert alternatives(run) == []


def test_the_interval_of_a_ratio_adds_both_errors_in_squares(build):
    run = build.run(build.record(0.5), baseline=build.record(1.0))
    low, high = ratio_interval(run, run.trials[0].record, LATENCY)
    down, up = math.log(1 / 0.95), math.log(1.1)  # of each of the two
    spread = math.hypot(down, up)
    assert (low, high) == pytest.approx((0.5 * math.exp(-spread), 0.5 * math.exp(spread)))


def test_a_ratio_has_no_interval_where_one_of_the_two_has_none(build):
    run = build.run(build.record(0.5), baseline=build.record(1.0))
    record = run.trials[0].record
    assert ratio_interval(run, record, MEMORY) is None
    assert ratio_interval(build.run(record), record, LATENCY) is None
    assert ratio_interval(run, run.baseline, LATENCY) is None
