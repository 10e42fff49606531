"""From raw samples to a value with its interval. Nothing here measures anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_TINY = 1e-9
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def percentile_interval(samples: Sequence[float], q: float) -> tuple[float, float]:
    """Return a distribution-free 95 % interval of a percentile, from order statistics.

    The number of samples below the true percentile is binomial(n, q), so the samples at its 2.5 %
    and 97.5 % quantiles enclose it. Only the spread inside one process is seen here.
    """
    from scipy.special import bdtrik

    ordered, n = sorted(samples), len(samples)
    tail = (1 - CONFIDENCE) / 2
    low = math.floor(float(bdtrik(tail, n, q)))
    high = math.ceil(float(bdtrik(1 - tail, n, q)))
    return ordered[min(max(low, 0), n - 1)], ordered[min(max(high, 0), n - 1)]


@cache
def fewest_queries(q: float, confidence: float = 0.99) -> int:
    """Return the fewest queries that can vouch for percentile q: 64 for p90, 662 for p99.

    References:
        MLPerf inference rules, "Early stopping criterion"; see `early_stopping_estimate`.
    """
    n = 2
    while _at_most(1, n, q) > 1 - confidence:
        n += 1
    return n


def early_stopping_estimate(
    samples: Sequence[float], q: float, confidence: float = 0.99
) -> float | None:
    """Return what percentile q is at most, with this confidence; None with too few samples.

    If the true percentile lay above the t-th largest sample, at most t of n queries would have
    been slower than it, which has the binomial probability of at most t successes in n. The
    estimate is the t-th largest sample, for the largest t that makes this at most 1 - confidence.

    References:
        MLPerf inference rules, "Early stopping criterion"; LoadGen, loadgen/early_stopping.cc.
    """
    from scipy.special import bdtrik

    ordered, n = sorted(samples), len(samples)
    t = max(0, math.floor(float(bdtrik(1 - confidence, n, 1 - q))) - 1)  # the next may fit too
    while t < n and _at_most(t + 1, n, q) <= 1 - confidence:
        t += 1
    return ordered[n - t] if t > 0 and _at_most(t, n, q) <= 1 - confidence else None


def _at_most(t: int, n: int, q: float) -> float:
    """Return how likely at most t of n queries are beyond percentile q."""
    from scipy.special import bdtr

    return float(bdtr(t, n, 1 - q))


def mean_interval(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return a 95 % interval of the mean score: Wilson's for zeros and ones, else normal.

    References:
        Wilson 1927; for other scores the central limit theorem, at the sample's own spread.
    """
    n, mean = len(scores), float(scores.mean())
    if np.isin(scores, (0.0, 1.0)).all():
        centre = (mean + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2))
        return max(0.0, centre - half), min(1.0, centre + half)
    half = _Z * float(scores.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    return mean - half, mean + half


def paired_difference(
    candidate: NDArray[np.float64],
    reference: NDArray[np.float64],
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """Return the mean of ``candidate - reference`` over the same samples, with an interval.

    Only samples on which the two differ widen it, so it is far narrower than the difference of two
    intervals: two models that agree on 398 of 400 samples differ by half a point, give or take a
    little, however hard the samples are.

    Zeros and ones get Tango's score interval for matched pairs [1], which holds where few samples
    differ, or none; other scores the normal one.

    Args:
        candidate: Scores of shape (n,).
        reference: Scores of shape (n,), sample by sample.
        confidence: Of the interval, two-sided.

    References:
        [1] Tango, "Equivalence test and confidence interval for the difference in proportions for
            the paired-sample design", Statistics in Medicine 17, 1998.
    """
    difference = candidate - reference
    n, mean = len(difference), float(difference.mean())
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    if np.isin(candidate, (0.0, 1.0)).all() and np.isin(reference, (0.0, 1.0)).all():
        better, worse = int((difference > 0).sum()), int((difference < 0).sum())
        return mean, *_tango_interval(better, worse, n, z)
    half = z * float(difference.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    return mean, mean - half, mean + half


def _tango_interval(better: int, worse: int, n: int, z: float) -> tuple[float, float]:
    """Return the differences that a score test of matched pairs doesn't reject, at z deviations."""
    from scipy.optimize import brentq

    def score(delta: float) -> float:
        b = -(better + worse) + (2 * n - better + worse) * delta
        c = -worse * delta * (1 - delta)
        share_worse = (math.sqrt(b * b - 8 * n * c) - b) / (4 * n)
        variance = n * (2 * share_worse + delta * (1 - delta))
        return (better - worse - n * delta) / math.sqrt(max(variance, _TINY))

    mean, edge = (better - worse) / n, 1 - _TINY
    low = brentq(lambda d: score(d) - z, -edge, mean) if mean > -edge else -1.0
    high = brentq(lambda d: score(d) + z, mean, edge) if mean < edge else 1.0
    return float(low), float(high)


def resampled_interval(figures: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of a figure over bootstrap resamples, shape (n,).

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(figures, [tail, 100 - tail])
    return float(low), float(high)
