from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reports.budgets import best_within, budget_named, budget_of, takeable
from reports.recommendation import recommended
from search.errors import UsageError
from search.records import Confirmation
from spaces.objectives import ACCURACY, OBJECTIVES, Objective

LATENCY = OBJECTIVES["latency_p90_ms"]


def number(run, **limits):
    return best_within(run, limits).number


def test_without_budgets_it_is_the_model_that_the_report_recommends(small_run, stand_in_run):
    assert number(small_run) == recommended(small_run).number == 1
    assert number(stand_in_run) == recommended(stand_in_run).number


def test_a_budget_leaves_the_best_within_it(small_run):
    assert number(small_run, accuracy=0.935) == 0
    assert number(small_run, accuracy_drop=0.02) == 0
    assert number(small_run, accuracy_drop=0.03, latency_p90_ms=0.3) == 1
    assert number(small_run, latency_p90_ms=np.float64(0.25)) == 1


def test_a_limit_that_a_value_meets_exactly_is_kept(build):
    run = build.run(build.record(0.5, accuracy=0.95), reference_metric=0.96)
    assert 0.96 - 0.95 > 0.01  # by a rounding error
    assert number(run, accuracy_drop=0.01) == 0
    assert number(run, latency_p90_ms=0.5) == 0


def test_a_value_with_more_than_six_digits_meets_itself(build):
    assert number(build.run(build.record(0.029399871826)), latency_p90_ms=0.029399871826) == 0


def test_a_budget_may_go_beyond_the_constraint_it_stands_for(small_run):
    assert number(small_run, accuracy=0.89) == 3
    assert number(small_run, latency_p90_ms=5.0) == 1  # accuracy keeps its constraint


def test_a_constraint_that_no_budget_stands_for_is_kept(build):
    over = build.record(0.1, violations={"power_w": 0.5}, power_w=6.0)
    run = build.run(over, build.record(2.0, power_w=3.0), bounds={"power_w": (None, 4.0)})
    assert number(run) == 1
    assert number(run, power_w=7.0) == 0


def test_a_range_stays_a_constraint_on_its_other_side(build):
    run = build.run(
        build.record(0.5, violations={"latency_p90_ms": 0.5}),
        build.record(2.0),
        bounds={"latency_p90_ms": (1.0, 5.0)},
    )
    assert number(run, latency_p90_ms=10.0) == 1


def test_anything_that_is_measured_can_be_a_budget(build):
    run = build.run(build.record(0.5, power_w=3.0), build.record(1.0, power_w=1.0))
    assert number(run, power_w=2.0) == 1


def test_where_nothing_is_left_it_says_how_near_each_limit_comes(small_run):
    with pytest.raises(UsageError) as caught:
        best_within(small_run, {"latency_p90_ms": 0.01, "accuracy_drop": 0.001})
    assert str(caught.value) == (
        "no trial keeps latency_p90_ms <= 0.01 (the best has 0.100) and accuracy_drop <= 0.001 "
        "(the best has 0.0200). Loosen a budget, or search on."
    )


def test_what_comes_near_says_whether_it_was_measured(stand_in_run):
    with pytest.raises(UsageError, match=r"power_w <= 0.1 \(the best has 1\.00~\) and"):
        best_within(stand_in_run, {"power_w": 0.1, "latency_p90_ms": float("inf")})
    with pytest.raises(UsageError, match=r"latency_p90_ms <= 0.1 \(the best has 0\.500\*\)"):
        best_within(stand_in_run, {"latency_p90_ms": 0.1})


def test_a_budget_on_what_has_no_number_leaves_nothing(small_run):
    with pytest.raises(UsageError, match=r"power_w <= 5 \(the best has no number\)"):
        best_within(small_run, {"power_w": 5})


@pytest.mark.parametrize("records", [[], ["failed"]])
def test_of_nothing_measured_nothing_is_recommended(build, records):
    run = build.run(*(build.failed() for _ in records))
    with pytest.raises(UsageError, match=r"there is nothing to recommend\. No trial"):
        best_within(run, {})


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("latency", "Did you mean latency_p90_ms?"),
        ("power_W", "Did you mean power_w?"),
        ("accuracy_dropp", "Did you mean accuracy_drop?"),
        ("q", "Use latency_p50_ms, "),
    ],
)
def test_an_unknown_budget_is_refused(small_run, name, remedy):
    with pytest.raises(ValueError, match="a budget must name an objective") as caught:
        best_within(small_run, {name: 1.0})
    assert f"but got {name!r}. {remedy}" in str(caught.value)


@pytest.mark.parametrize("limit", ["5", True, None, float("nan")])
def test_a_limit_that_is_no_number_is_refused(small_run, limit):
    with pytest.raises(ValueError, match="a budget must be a number, but latency_p90_ms is"):
        best_within(small_run, {"latency_p90_ms": limit})


def test_without_a_reference_there_is_no_drop(build):
    run = build.run(build.record(), reference_metric=None)
    assert budget_of(run, ACCURACY).name == "accuracy"
    with pytest.raises(ValueError, match="but got 'accuracy_drop'"):
        budget_named(run, "accuracy_drop")


def test_a_metric_that_is_to_be_small_rises(build):
    error = Objective("error", "minimize", "", "accuracy")
    run = build.run(
        build.record(0.5, accuracy=0.30),
        build.record(1.0, accuracy=0.22),
        metric=error,
        objectives=(LATENCY, error),
        reference_metric=0.2,
        bounds={},
    )
    assert number(run, error_rise=0.05) == 1
    assert number(run, error=0.25) == 1
    assert number(run, error_rise=0.1) == 0


def test_the_order_is_that_of_preference_and_what_cannot_be_taken_is_left_out(small_run):
    budgets = [budget_of(small_run, objective) for objective in small_run.facts.objectives]
    assert [trial.number for trial in takeable(small_run, budgets)] == [3, 1, 0, 2]
    assert [trial.number for trial in takeable(small_run, [])] == [1, 0, 2]


def test_once_confirmed_what_keeps_every_bound_must_be_confirmed(build):
    confirmed = build.record(2.0, confirmation=Confirmation(3, {"latency_p90_s": 2e-3}))
    run = build.run(build.record(1.0), confirmed)
    assert number(run) == 1
    with pytest.raises(UsageError, match=r"no trial keeps latency_p90_ms <= 1\.5"):
        best_within(run, {"latency_p90_ms": 1.5})


def test_a_gated_trial_is_never_taken(build):
    gated = replace(build.record(0.1), failure=build.failed("gated").failure)
    assert number(build.run(gated, build.record(1.0)), latency_p90_ms=9.0) == 1
