"""From raw samples to a value with its interval. Nothing here measures anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def percentile(samples: Sequence[float], q: float) -> float:
    """Return the empirical percentile: the smallest sample with at least a share q at or below."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


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


def fewest_queries(q: float, confidence: float = 0.99) -> int:
    """Return the fewest queries that can vouch for percentile q: 64 for p90, 662 for p99.

    With h slow queries allowed and none seen too many, MLPerf's early stopping accepts when
    binomial(n, 1 - q) would show at most h of them with probability 1 - confidence at most. The
    fewest n is the one for h = 1, one query being set aside as the estimate itself.

    References:
        MLPerf inference rules, "Early stopping criterion".
    """
    n = 2
    while q**n + n * (1 - q) * q ** (n - 1) > 1 - confidence:
        n += 1
    return n


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
