from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.known import KnownTrials
from search.policy.outlook import Outlook
from search.policy.proposals import Proposal
from spaces.dimensions import Choice, Range

DIMENSIONS = {
    "sparsity": Range(0.0, 0.8, 0.1),
    "distillation.epochs": Choice((0, 1, 2, 4), is_ordered=True),
    "distillation.temperature": Choice((1, 2, 3, 4, 5, 6), is_ordered=True),
}


def candidate(sparsity, epochs, temperature=4.0, precision="fp32"):
    tuning = Distillation(epochs, temperature, 0.5) if epochs else None
    return Candidate("onnxruntime", precision, sparsity, tuning)


def noisy_accuracy(found, rng):
    """Return what a formula gives, and as much noise as a short validation split makes."""
    return 0.95 - 0.1 * found.sparsity**2 - 0.05 / (1 + found.epochs) + rng.normal(0, 0.004)


@pytest.fixture
def measured(build):
    """Return what is known of trials given as (candidate, latency in ms, accuracy)."""

    def make(*trials):
        records = [build.record(ms, 2.0, accuracy) for _, ms, accuracy in trials]
        run = build.run(*records, baseline=build.record(2.0, 4.0, 0.96))
        candidates = {number: found for number, (found, _, _) in enumerate(trials)}
        return Outlook(DIMENSIONS, run, KnownTrials().of(run, candidates))

    return make


@pytest.fixture
def outlook_of(measured):
    """Return the same of models given as (candidate, accuracy), which are equally fast."""
    return lambda models: measured(*((found, 1.0, accuracy) for found, accuracy in models))


def drawn(count, rng, epochs=4):
    grid = [(0.1 * tenth, float(t)) for tenth in range(1, 9) for t in range(1, 7)]
    chosen = [candidate(grid[n][0], epochs, grid[n][1]) for n in rng.permutation(len(grid))[:count]]
    return [(each, noisy_accuracy(each, rng)) for each in chosen]


def test_untrained_models_say_nothing_of_what_training_gives(outlook_of):
    sparsities = [round(0.1 * n, 1) for n in range(1, 9)]
    known = [(candidate(s, epochs), 0.9) for s in sparsities for epochs in (0, 1, 2)]
    assert outlook_of(known).hoped_metric_cost(candidate(0.5, 4)) == -math.inf


def test_ten_models_trained_as_long_say_what_one_more_may_come_to(outlook_of):
    known = [(candidate(0.1 * (n % 8 + 1), 4, 1.0 + n // 8), 0.9 - 0.001 * n) for n in range(10)]
    assert outlook_of(known[:9]).hoped_metric_cost(candidate(0.5, 4)) == -math.inf
    hoped = -outlook_of(known).hoped_metric_cost(candidate(0.5, 4))
    assert 0.89 < hoped < 0.91


def test_a_model_counts_once_with_the_best_of_its_precisions(outlook_of):
    known = [(candidate(0.1 * (n % 8 + 1), 4, 1.0 + n // 8), 0.9 - 0.001 * n) for n in range(10)]
    int8 = [(candidate(c.sparsity, 4, c.distillation.temperature, "int8"), 0.5) for c, _ in known]
    alone, both = outlook_of(known), outlook_of([*known, *int8])
    wanted = candidate(0.5, 4)
    assert both.hoped_metric_cost(wanted) == alone.hoped_metric_cost(wanted)
    assert outlook_of([*known[:5], *int8[:5]]).hoped_metric_cost(wanted) == -math.inf


def test_training_comes_out_better_than_hoped_about_as_often_as_is_stated(outlook_of):
    rng = np.random.default_rng(0)
    better = []
    for _ in range(60):
        known = outlook_of(drawn(30, rng))
        for wanted, accuracy in drawn(5, rng):
            better.append(-accuracy < known.hoped_metric_cost(wanted))
    assert np.mean(better) < 0.1
    assert any(better)


def test_a_model_trained_otherwise_is_as_fast_as_those_alike_were_on_average(measured, monkeypatch):
    """A forecast would hope for a faster one from each training of the luckiest."""
    lucky, alike = (candidate(0.5, 1), 0.4, 0.9), (candidate(0.5, 2), 1.6, 0.9)
    outlook = measured(lucky, alike, (candidate(0.6, 1), 0.9, 0.89))
    asked = []
    monkeypatch.setattr(outlook, "gain_of", lambda costs, _metric: asked.append(costs[0]) or 0.0)
    trained = [Proposal(arm, 0, candidate(0.5, 4)) for arm in ("tuning", "training")]
    outlook.forecast([*trained, Proposal("prefix", 0, candidate(0.7, 0))], 4.0)
    mean = np.log(0.8)  # of 0.4 and 1.6: ratios count
    assert asked[:2] == pytest.approx([mean, mean])
    assert asked[2] != pytest.approx(mean)


def test_what_a_second_configuration_of_a_model_answers_is_learned_from_once(measured, monkeypatch):
    fitted = []
    monkeypatch.setattr(
        "search.policy.outlook.fit_forecast",
        lambda _dimensions, params, _targets: fitted.append(params),
    )
    flags = [Candidate("onnxruntime", "fp32", 0.5, flags={"threads": n}) for n in (1, 2)]
    outlook = measured(*((each, 1.0, 0.9) for each in (*flags, candidate(0.5, 2))))
    assert outlook._metric_forecast is outlook._costs_forecast is None
    metrics, costs = fitted
    assert [each["distillation.epochs"] for each in metrics] == [0, 2]
    assert not any("onnxruntime.threads" in each for each in metrics)
    assert [each.get("onnxruntime.threads") for each in costs] == [1, 2, None]
