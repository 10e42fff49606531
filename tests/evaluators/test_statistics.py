import math

import numpy as np
import pytest
from scipy import stats

from evaluators.statistics import (
    fewest_queries,
    mean_interval,
    percentile,
    percentile_interval,
)


def test_percentile_is_a_sample_with_enough_at_or_below():
    samples = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(samples, q) for q in (0.0, 0.2, 0.5, 0.9, 1.0)] == [1, 1, 3, 5, 5]


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_percentile_interval_covers_the_truth_as_often_as_it_says(q):
    generator = np.random.default_rng(0)
    truth = stats.lognorm(0.3).ppf(q)
    covered = 0
    for _ in range(400):
        samples = generator.lognormal(0, 0.3, 200).tolist()
        low, high = percentile_interval(samples, q)
        covered += low <= truth <= high
    assert covered / 400 >= 0.93


def test_percentile_interval_of_few_samples_stays_inside_them():
    assert percentile_interval([1.0, 2.0], 0.9) == (1.0, 2.0)


def test_fewest_queries_are_mlperfs():
    assert (fewest_queries(0.90), fewest_queries(0.99)) == (64, 662)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.97])
def test_fewest_queries_agree_with_the_binomial(q):
    n = fewest_queries(q)
    assert stats.binom.cdf(1, n, 1 - q) <= 0.01 < stats.binom.cdf(1, n - 1, 1 - q)


@pytest.mark.parametrize(("hits", "n"), [(0, 400), (392, 400), (400, 400), (7, 10)])
def test_mean_interval_of_hits_is_wilsons(hits, n):
    scores = np.array([1.0] * hits + [0.0] * (n - hits))
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert mean_interval(scores) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_mean_interval_of_other_scores_is_normal():
    scores = np.random.default_rng(1).normal(3.0, 1.0, 500)
    expected = stats.norm.interval(0.95, scores.mean(), stats.sem(scores))
    assert mean_interval(scores) == pytest.approx(expected)


def test_one_score_says_nothing_about_its_spread():
    assert mean_interval(np.array([0.3])) == (-math.inf, math.inf)
