from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evaluators.measurement import Quantity
from search.gates import (
    WRONG_AT_MOST,
    answers_refusal,
    hoped_metric_cost,
    score_refusal,
    training_refusal,
)
from spaces.objectives import Objective


@pytest.fixture
def run(build):
    """Return a run with one member of 1 ms, 2 MiB and 0.95."""
    return build.run(build.record(1.0, 2.0, 0.95), baseline=build.record(2.0, 4.0, 0.96))


def probed(build, latency_ms, memory_mib, spread=0.05):
    """Return a record without a metric, whose latency has an interval."""
    record = build.record(latency_ms, memory_mib)
    numbers = {name: q for name, q in record.quantities.items() if name != "accuracy"}
    latency = numbers["latency_p90_s"]
    numbers["latency_p90_s"] = replace(
        latency, low=latency.value * (1 - spread), high=latency.value * (1 + spread)
    )
    return replace(record, quantities=numbers)


def test_what_a_trial_would_dominate_at_the_best_metric_is_refused(build, run):
    refusal = training_refusal(run, 0.95, probed(build, 1.2, 2.0))
    assert "trial 0 would dominate it" in refusal
    assert "even at accuracy 0.95" in refusal
    assert "at most 0.05" in refusal
    assert training_refusal(run, 0.95, probed(build, 0.9, 2.0)) is None
    assert training_refusal(run, 0.95, probed(build, 1.2, 1.9)) is None


def test_a_latency_that_a_repeat_may_undercut_is_not_refused(build, run):
    assert training_refusal(run, 0.95, probed(build, 1.04, 2.0)) is None


def test_a_better_metric_to_hope_for_opens_the_gate(build, run):
    assert training_refusal(run, 0.955, probed(build, 1.2, 2.0)) is None
    assert training_refusal(run, math.inf, probed(build, 1.2, 2.0)) is None


def test_what_breaks_a_bound_at_its_best_is_refused_however_it_may_be_trained(build, run):
    bounded = replace(run, facts=build.facts(bounds={"latency_p90_ms": (None, 3.0)}))
    nearly = probed(build, 3.1, 1.0)  # 2.95 at the end of its interval
    assert training_refusal(bounded, math.inf, nearly) is None
    refusal = training_refusal(bounded, math.inf, probed(build, 4.0, 1.0))
    assert refusal.startswith("latency_p90_ms <= 3 would be broken")


def test_a_bound_on_the_metric_needs_a_hope(build, run):
    bounded = replace(run, facts=build.facts(bounds={"accuracy": (0.97, None)}))
    assert training_refusal(bounded, math.inf, probed(build, 0.5, 1.0)) is None
    refusal = training_refusal(bounded, 0.96, probed(build, 0.5, 1.0))
    assert refusal.startswith("accuracy >= 0.97 would be broken by 1% even at accuracy 0.96, the")
    assert "at most 0.05" in refusal


@pytest.mark.parametrize("hoped_metric", [math.inf, 0.9])
def test_where_the_metric_is_no_objective_nothing_is_hoped_for(build, run, hoped_metric):
    objectives = build.objectives("latency_p90_ms", "peak_memory_mib")
    run = replace(run, facts=build.facts(objectives=objectives))
    refusal = training_refusal(run, hoped_metric, probed(build, 1.2, 2.0))
    assert refusal == "trial 0 dominates it in every objective, whatever its accuracy"


def test_infeasible_trials_dominate_nothing(build):
    run = build.run(build.record(1.0, 2.0, 0.95, violations={"accuracy": 0.1}))
    assert training_refusal(run, 0.95, probed(build, 1.2, 2.0)) is None


@pytest.mark.parametrize("models", [3, 10, 100])
def test_one_training_in_twenty_is_better_than_what_it_was_hoped_for(models):
    draws = np.random.default_rng(0).normal(-0.9, 0.02, size=(20_000, models + 1))
    known, trained = draws[:, :-1], draws[:, -1]
    spreads = known.std(1, ddof=1) * math.sqrt(1 + 1 / models)
    hoped = [
        hoped_metric_cost(mean, spread, models)
        for mean, spread in zip(known.mean(1), spreads, strict=True)
    ]
    assert (trained < hoped).mean() == pytest.approx(WRONG_AT_MOST, abs=0.005)


def test_a_metric_that_is_to_be_small(build):
    error = Objective("error", "minimize", "", "error")
    objectives = (*build.objectives("latency_p90_ms"), error)
    facts = build.facts(objectives=objectives, metric=error)
    member = build.record(1.0)
    numbers = {**member.quantities, "error": Quantity(0.1, "1", "chosen", "measured")}
    run = replace(build.run(replace(member, quantities=numbers)), facts=facts)
    refusal = training_refusal(run, 0.1, probed(build, 1.2, 2.0))
    assert "even at error 0.1, the best to expect" in refusal
    assert training_refusal(run, 0.09, probed(build, 1.2, 2.0)) is None
    assert training_refusal(run, -math.inf, probed(build, 1.2, 2.0)) is None


def test_what_a_trial_dominates_at_the_best_that_is_left_is_not_scored_further(build, run):
    slower = probed(build, 1.2, 2.0)
    reason = score_refusal(run, slower, 0.94, "500 of 4,000 samples")
    assert "trial 0 would dominate it even at accuracy 0.94" in reason
    assert "500 of 4,000 samples" in reason
    assert "at most 0.05" in reason
    assert score_refusal(run, slower, 0.96, "500 of 4,000 samples") is None
    assert score_refusal(run, slower, math.inf, "0 of 4,000 samples") is None


def test_a_metric_that_can_no_longer_keep_its_bound_is_not_scored_further(build, run):
    bounded = replace(run, facts=build.facts(bounds={"accuracy": (0.94, None)}))
    reason = score_refusal(bounded, probed(build, 0.5, 1.0), 0.9, "500 of 4,000 samples")
    assert reason.startswith("accuracy >= 0.94 would be broken by 4.3% at the least")
    assert score_refusal(bounded, probed(build, 0.5, 1.0), 0.945, "500 of 4,000 samples") is None


def test_a_bound_that_is_hardly_broken_is_not_broken_by_nothing(build, run):
    bounded = replace(run, facts=build.facts(bounds={"accuracy": (0.9371, None)}))
    reason = score_refusal(bounded, probed(build, 0.5, 1.0), 0.9367, "2,388 samples")
    assert reason.startswith("accuracy >= 0.9371 would be broken by 0.043% at the least")


def test_what_is_too_slow_is_not_scored_at_all(build, run):
    bounded = replace(run, facts=build.facts(bounds={"latency_p90_ms": (None, 3.0)}))
    reason = score_refusal(bounded, probed(build, 4.0, 1.0), math.inf, "0 of 4,000 samples")
    assert reason.startswith("latency_p90_ms <= 3 would be broken")


def test_what_a_trial_dominates_whatever_other_flags_may_answer_is_not_asked(build, run):
    slower = probed(build, 1.2, 2.0)
    reason = answers_refusal(run, 0.94, slower)
    assert "trial 0 would dominate it even at accuracy 0.94, the best to expect of other" in reason
    assert answers_refusal(run, 0.96, slower) is None


def test_what_is_too_slow_is_not_asked_for_known_answers(build, run):
    bounded = replace(run, facts=build.facts(bounds={"latency_p90_ms": (None, 3.0)}))
    reason = answers_refusal(bounded, 0.99, probed(build, 4.0, 1.0))
    assert reason.startswith("latency_p90_ms <= 3 would be broken by 27% whatever it answers")
