"""How much one artifact's numbers differ between fresh processes, learned from repeats.

Inside one process a latency looks steadier than it is: where code and data come to lie, which
caches they share and what the machine does just then is drawn anew with every process. So the
interval of a number says where another fresh process would see it, and its width comes from
artifacts that were measured several times: the baseline as the canary, the front in confirmation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from evaluators.measurement import Quantity
from evaluators.statistics import CONFIDENCE

PRIOR_DEGREES = 2
"""The prior counts as much as three repeats of one artifact: a noisy machine soon outweighs it."""
PRIOR_STD = {
    "latency_p50_s": 0.015,
    "latency_p90_s": 0.025,
    "latency_p99_s": 0.06,
    "throughput_per_s": 0.02,
    "peak_memory_bytes": 0.005,
    "power_w": 0.02,
    "energy_j": 0.025,
}
"""Standard deviation of the logarithm before anything is known. Other numbers don't vary."""


@dataclass(frozen=True, slots=True)
class ProcessSpread:
    """Pooled variance of the logarithm of one quantity between fresh processes.

    Example:
        Two repeats of 1.00 and 1.02 ms give ``squares`` of 2 * 0.0099**2 and one degree.

    Attributes:
        squares: Sum of squared deviations from each artifact's own mean.
        degrees: Repeats minus artifacts.
    """

    squares: float = 0.0
    degrees: int = 0

    def with_repeats(self, values: Sequence[float]) -> Self:
        """Return the spread with one more artifact's repeats; fewer than two say nothing."""
        positive = [value for value in values if value > 0]
        if len(positive) < 2:
            return self
        logs = np.log(positive)
        squares = float(((logs - logs.mean()) ** 2).sum())
        return replace(self, squares=self.squares + squares, degrees=self.degrees + len(logs) - 1)

    def half_width(self, si_name: str, processes: int) -> float:
        """Return how far, as a logarithm, one more process may lie from the median of these.

        The prediction interval of a normal variable with the pooled variance, which the prior joins
        as `PRIOR_DEGREES` degrees of freedom.

        Raises:
            KeyError: For a quantity that doesn't vary between processes.
        """
        from scipy.special import stdtrit

        degrees = PRIOR_DEGREES + self.degrees
        prior = PRIOR_DEGREES * PRIOR_STD[si_name] ** 2
        variance = (prior + self.squares) / degrees
        t = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))
        return t * math.sqrt(variance * (1 + _variance_of_median(processes)))


Spreads = Mapping[str, ProcessSpread]
"""By SI name; what isn't there is known by its prior alone."""


def learn(spreads: Spreads, repeats: Iterable[Mapping[str, Quantity]]) -> dict[str, ProcessSpread]:
    """Return the spreads after one artifact was measured in several fresh processes.

    Args:
        spreads: What was known before.
        repeats: The quantities of each process.
    """
    measured = list(repeats)
    learned = dict(spreads)
    for si_name in PRIOR_STD:
        found = [numbers[si_name] for numbers in measured if si_name in numbers]
        values = [q.value for q in found if q.is_measured and q.value is not None]
        learned[si_name] = learned.get(si_name, ProcessSpread()).with_repeats(values)
    return learned


def with_prediction(
    quantities: Mapping[str, Quantity], spreads: Spreads, processes: int = 1
) -> dict[str, Quantity]:
    """Return numbers whose intervals are for one more fresh process.

    The spread inside the process, where one is known, happens twice, here and there, and adds up
    with what differs between processes as variances do.

    Args:
        quantities: With the interval from inside their process, or None.
        spreads: What repeats have taught.
        processes: How many fresh processes the value is the median of.
    """
    return {
        name: _predicted(name, quantity, spreads.get(name, ProcessSpread()), processes)
        for name, quantity in quantities.items()
    }


def median_of(repeats: Sequence[Mapping[str, Quantity]]) -> dict[str, Quantity]:
    """Return, number by number, the median over fresh processes of one artifact.

    What only some of them have, such as the test split's metric, is the median of those. The
    interval stays that from inside one process, moved to the median; what a percentile is at most
    is the largest that any process allows.

    Args:
        repeats: The quantities of each process; at least one.
    """
    names = dict.fromkeys(name for numbers in repeats for name in numbers)
    return {name: _median([r[name] for r in repeats if name in r]) for name in names}


def with_more_samples(
    before: Mapping[str, Quantity], processes: int, newer: Mapping[str, Quantity]
) -> dict[str, Quantity]:
    """Return the numbers of an artifact that was measured before, and now once more.

    What differs between processes is the mean over all of them, with the interval from inside the
    newest, moved there; everything else is as in the newest.

    Args:
        before: What was known.
        processes: How many fresh processes that came from.
        newer: The quantities of one more.
    """
    return {name: _mean(before.get(name), processes, new) for name, new in newer.items()}


def _mean(before: Quantity | None, processes: int, new: Quantity) -> Quantity:
    unit, old = new.unit, None if before is None else before.value
    if before is None or old is None or new.value is None or unit == "1":
        return new
    value = (processes * old + new.value) / (processes + 1)
    low, high = (None if end is None else end + value - new.value for end in (new.low, new.high))
    method = f"{new.method}, mean of {processes + 1}"
    highest = [most for most in (before.at_most, new.at_most) if most is not None]
    return replace(
        new,
        value=value,
        method=method,
        low=low,
        high=high,
        n=before.n + new.n,
        at_most=max(highest, default=None),
    )


def _median(found: Sequence[Quantity]) -> Quantity:
    known = sorted((q for q in found if q.value is not None), key=lambda q: q.value or 0.0)
    if not known:
        return found[0]
    middle = known[len(known) // 2]
    value = float(np.median([q.value for q in known if q.value is not None]))
    assert middle.value is not None
    low, high = (
        None if end is None else end + value - middle.value for end in (middle.low, middle.high)
    )
    method = middle.method if len(known) == 1 else f"{middle.method}, median of {len(known)}"
    return replace(
        middle,
        value=value,
        method=method,
        low=low,
        high=high,
        n=sum(quantity.n for quantity in known),
        at_most=max((q.at_most for q in known if q.at_most is not None), default=None),
    )


def _predicted(name: str, quantity: Quantity, spread: ProcessSpread, processes: int) -> Quantity:
    value = quantity.value
    if name not in PRIOR_STD or not quantity.is_measured or value is None or value <= 0:
        return quantity  # an estimate has no interval that repeats could teach
    between = spread.half_width(name, processes)
    inside = math.sqrt(1 + 1 / processes)
    below = math.hypot(between, inside * _log_distance(quantity.low, value))
    above = math.hypot(between, inside * _log_distance(value, quantity.high))
    return replace(quantity, low=value * math.exp(-below), high=value * math.exp(above))


def _log_distance(low: float | None, high: float | None) -> float:
    known = low is not None and high is not None and 0 < low <= high
    return math.log(high / low) if known and low and high else 0.0


def _variance_of_median(n: int) -> float:
    """Return the variance of the median of n normal variables of variance 1.

    The asymptotic pi / (2 n), bent so that n = 1 gives 1; 0.440 and 0.282 for 3 and 5, where exact
    integration gives 0.449 and 0.287 [1].

    References:
        [1] Hojo, "Distribution of the median, quartiles and interquartile distance in samples from
            a normal population", Biometrika 23, 1931.
    """
    return math.pi / (2 * n + math.pi - 2)
