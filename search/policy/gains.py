"""How much a new point would add to the front: hypervolume on log ratios to the baseline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import moocore
import numpy as np
from numpy.typing import NDArray

from search.front import ACCURACY_DROP_AT_REFERENCE, log_costs
from search.policy.known import Known
from search.records import Run

_SLACK = 0.1
"""A point may be about 10 % worse than the baseline in one objective and still be worth something.

Without it nothing would guide a search in which one objective, such as an estimated power, seldom
improves.
"""


@dataclass(slots=True)
class Gains:
    """What the feasible trials dominate, and what one more would add.

    Attributes:
        origin: The baseline's log costs, of shape (n_objectives,).
        reference: Corner of the hypervolume, from the origin.
        points: The front, from the origin; of shape (n, n_objectives).
    """

    origin: NDArray[np.float64]
    reference: NDArray[np.float64]
    points: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.points = np.empty((0, len(self.origin)))

    @classmethod
    def of(cls, run: Run, known: Iterable[Known]) -> Self:
        """Return what the feasible ones of some trials of a run with a baseline dominate."""
        assert run.baseline is not None
        metric = [objective == run.facts.metric for objective in run.facts.objectives]
        reference = np.where(metric, ACCURACY_DROP_AT_REFERENCE, _SLACK)
        found = cls(log_costs([run.baseline], run)[0], reference)
        feasible = [each.costs for each in known if each.trial.record.is_feasible]
        found._take(np.array(feasible).reshape(-1, len(metric)) - found.origin)
        return found

    def of_point(self, costs: NDArray[np.float64]) -> float:
        """Return the hypervolume that log costs of shape (n_objectives,) would add."""
        point = costs - self.origin
        if not (point < self.reference).all():
            return 0.0
        own = float(np.prod(self.reference - point))
        if not len(self.points):
            return own
        shared = np.maximum(self.points, point)
        return max(0.0, own - float(moocore.hypervolume(shared, ref=self.reference)))

    def is_gain(self, costs: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say of log costs of shape (n, n_objectives) which would add anything."""
        points = costs - self.origin
        dominates = np.asarray((self.points[None] <= points[:, None]).all(axis=2))
        inside = np.asarray((points < self.reference).all(axis=1))
        return np.asarray(inside & ~dominates.any(axis=1), dtype=np.bool_)

    def add(self, costs: NDArray[np.float64]) -> float:
        """Take a point in, and return what it added."""
        gain = self.of_point(costs)
        if gain > 0:
            self._take(costs[None] - self.origin)
        return gain

    def _take(self, points: NDArray[np.float64]) -> None:
        inside = points[(points < self.reference).all(1)]
        together = np.vstack([self.points, inside])
        if len(together):
            self.points = together[moocore.is_nondominated(together)]
