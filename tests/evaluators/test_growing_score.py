from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.growing_score import LOOKS, GrowingScore, parts_of


@pytest.mark.parametrize("count", [1, 3, 8, 1000, 1001])
def test_the_parts_are_all_samples_once(count):
    parts = list(parts_of(count))
    together = np.concatenate(parts)
    assert sorted(together) == list(range(count))
    assert all(len(part) for part in parts)
    assert len(parts) <= LOOKS + 1


def test_the_parts_of_a_long_split_double_and_are_drawn_at_random():
    sizes = [len(part) for part in parts_of(8000)]
    assert sizes == [1000, 1000, 2000, 4000]
    first = next(parts_of(8000))
    assert 0.4 < np.mean(first < 4000) < 0.6  # not the first class of a sorted split


def grown(scores, reference, direction="maximize"):
    """Return the bounds after each part but the last."""
    score = GrowingScore(reference, direction)
    bounds = []
    for samples in parts_of(len(reference)):
        score.add(samples, scores[samples])
        bounds.append(score.best_metric(0.05))
    assert bounds.pop() >= scores.mean() - 1e-9 or direction == "minimize"
    return bounds


@pytest.mark.parametrize(("lost", "won"), [(0.02, 0.0), (0.06, 0.03), (0.3, 0.1)])
def test_the_whole_split_is_better_than_its_bound_no_more_often_than_said(lost, won):
    rng = np.random.default_rng(1)
    wrong, runs = 0, 400
    for _ in range(runs):
        reference = (rng.random(1000) < 0.9).astype(float)
        draws = rng.random(1000)
        flipped = np.where(reference == 1.0, draws < lost, draws < won * 10)
        scores = np.where(flipped, 1 - reference, reference)
        wrong += any(bound < scores.mean() for bound in grown(scores, reference))
    assert wrong / runs <= 0.05


def test_a_model_that_lost_much_is_known_after_an_eighth():
    rng = np.random.default_rng(2)
    reference = np.ones(4000)
    scores = (rng.random(4000) < 0.8).astype(float)
    assert 0.8 < grown(scores, reference)[0] < 0.86


def test_where_less_is_better_the_bound_lies_below():
    rng = np.random.default_rng(3)
    reference = rng.normal(1.0, 0.1, 1000)
    scores = reference + rng.normal(0.5, 0.1, 1000)
    assert scores.mean() - 0.05 < grown(scores, reference, "minimize")[0] < scores.mean() + 0.01


def test_before_any_part_nothing_is_out_of_reach():
    assert GrowingScore(np.ones(10), "maximize").best_metric(0.05) == math.inf
    assert GrowingScore(np.ones(10), "minimize").best_metric(0.05) == -math.inf
    assert str(GrowingScore(np.ones(12_345), "maximize")) == "0 of 12,345 samples"
