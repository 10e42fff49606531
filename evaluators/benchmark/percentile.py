"""The empirical percentile: the one figure that host and device both take of raw samples."""

from __future__ import annotations

import math
from typing import Sequence


def percentile(samples: Sequence[float], q: float) -> float:
    """Return the empirical percentile: the smallest sample with at least a share q at or below."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]
