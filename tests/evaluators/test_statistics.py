import math

import numpy as np
import pytest
from scipy import stats

from evaluators.statistics import (
    early_stopping_estimate,
    fewest_queries,
    mean_interval,
    paired_difference,
    percentile_interval,
    resampled_interval,
)


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


@pytest.mark.parametrize(("n", "q"), [(64, 0.9), (500, 0.9), (662, 0.99), (2000, 0.99), (300, 0.5)])
def test_early_stopping_lets_as_many_be_slower_as_the_binomial_does(n, q):
    samples = np.random.default_rng(2).permutation(np.arange(n, dtype=float)).tolist()
    t = int(n - early_stopping_estimate(samples, q))
    assert stats.binom.cdf(t, n, 1 - q) <= 0.01 < stats.binom.cdf(t + 1, n, 1 - q)


def test_early_stopping_says_nothing_of_too_few():
    assert early_stopping_estimate([1.0] * 63, 0.9) is None
    assert early_stopping_estimate([1.0] * 64, 0.9) == 1.0


def test_the_true_percentile_is_above_the_early_stopping_estimate_once_in_a_hundred():
    generator = np.random.default_rng(3)
    truth = stats.lognorm(0.3).ppf(0.9)
    estimates = [
        early_stopping_estimate(generator.lognormal(0, 0.3, 300).tolist(), 0.9) for _ in range(2000)
    ]
    assert np.mean(np.array(estimates) < truth) <= 0.02


def test_a_paired_difference_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(4)
    covered = []
    for _ in range(2000):
        hard = generator.random(400) < 0.15
        reference = np.where(hard, generator.random(400) < 0.5, 1.0)
        candidate = np.where(generator.random(400) < 0.02, 0.0, reference)
        truth = -0.02 * (0.85 + 0.15 * 0.5)
        _, low, high = paired_difference(candidate, reference)
        covered.append(low <= truth <= high)
    assert np.mean(covered) >= 0.93


def test_a_paired_difference_is_narrower_than_that_of_two_intervals():
    reference = np.array([1.0] * 360 + [0.0] * 40)
    candidate = reference.copy()
    candidate[[0, 1, 399]] = [0.0, 0.0, 1.0]
    mean, low, high = paired_difference(candidate, reference)
    assert mean == pytest.approx(-1 / 400)
    assert high - low < (mean_interval(reference)[1] - mean_interval(reference)[0]) / 2


def test_two_models_that_never_differ_may_still_differ_a_little():
    scores = np.array([1.0, 0.0] * 200)
    mean, low, high = paired_difference(scores, scores)
    assert mean == 0.0
    assert -0.01 < low < 0.0 < high < 0.01


def test_a_paired_difference_of_other_scores_is_normal():
    generator = np.random.default_rng(5)
    reference = generator.normal(3, 1, 300)
    candidate = reference + generator.normal(0.1, 0.2, 300)
    expected = stats.ttest_rel(candidate, reference)
    mean, low, high = paired_difference(candidate, reference)
    assert mean == pytest.approx((candidate - reference).mean())
    half = stats.norm.ppf(0.975) * mean / expected.statistic
    assert (low, high) == pytest.approx((mean - half, mean + half))


def test_a_resampled_interval_leaves_out_the_outermost_twentieth():
    low, high = resampled_interval(np.arange(1001.0))
    assert (low, high) == pytest.approx((25.0, 975.0))
