"""What one more rung of training adds, from the rungs that were climbed before."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from evaluators.candidate import Candidate
from search.policy.identity import prefix_of, quantization_of

_PRIOR_SHARE = 0.6
"""Of the distance to the best metric, before anything is known."""
_PRIOR_SPREAD = 0.25
_PRIOR_WEIGHT = 1.0
_POOLED_WEIGHT = 2.0
_OPTIMISM = 0.5
"""Standard deviations by which a rung is taken to do better than expected."""


@dataclass(slots=True)
class TrainingGains:
    """Shares of the distance to the best metric that each rung has closed.

    Example:
        The best metric cost is 0.08 (accuracy 0.92 as -0.92 works alike). A model at 0.14 that one
        more rung brings to 0.10 has closed two thirds.
    """

    _lowest: dict[Hashable, dict[int, float]] = field(default_factory=dict)
    _shares: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, candidate: Candidate, metric_cost: float, best_cost: float) -> None:
        """Learn from one measured model.

        Args:
            candidate: What it was; models compare at the same precision of the same engine.
            metric_cost: Its metric as a cost.
            best_cost: The best of all measured so far.
        """
        epochs = candidate.epochs
        line = self._lowest.setdefault(_line_of(candidate), {})
        below = [rung for rung in line if rung < epochs]
        if below and epochs not in line:
            before = line[max(below)]
            distance = before - best_cost
            if distance > 0:
                share = (before - metric_cost) / distance
                self._shares[epochs].append(min(1.0, max(-1.0, share)))
        line[epochs] = min(metric_cost, line.get(epochs, metric_cost))

    def expected_cost(self, metric_cost: float, best_cost: float, epochs: int) -> float:
        """Return the metric, as a cost, that training for so many epochs may well give.

        Args:
            metric_cost: At the rung below.
            best_cost: The best of all measured so far.
            epochs: The rung.
        """
        share = min(1.0, max(0.0, self._share(epochs) + _OPTIMISM * self._spread()))
        return metric_cost - share * max(0.0, metric_cost - best_cost)

    def _everything(self) -> list[float]:
        return [share for shares in self._shares.values() for share in shares]

    def _spread(self) -> float:
        """Return the standard deviation of a share, with the prior as one more observation."""
        everything = self._everything()
        centre = _pulled(everything, _PRIOR_SHARE, _PRIOR_WEIGHT)
        squares = sum((share - centre) ** 2 for share in everything)
        return math.sqrt((squares + _PRIOR_SPREAD**2) / (len(everything) + 1))

    def _share(self, epochs: int) -> float:
        pooled = _pulled(self._everything(), _PRIOR_SHARE, _PRIOR_WEIGHT)
        return _pulled(self._shares.get(epochs, []), pooled, _POOLED_WEIGHT)


def _pulled(shares: Sequence[float], towards: float, weight: float) -> float:
    return (sum(shares) + weight * towards) / (len(shares) + weight)


def _line_of(candidate: Candidate) -> Hashable:
    settings = quantization_of(candidate)
    return prefix_of(candidate), candidate.engine, candidate.precision, settings
