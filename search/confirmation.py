"""Which points are measured again before a front is published: its members and near rivals."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from search.front import log_costs, pareto_front
from search.records import NumberedRecord, Run

MOST_POINTS = 12
NEAR_IN_RESOLUTIONS = 2.0
"""A rival is near if it lies so many resolutions or less behind a member, in every objective."""
_METRIC_STEP = 0.01
"""What counts as one resolution of the metric, which has none of its own."""


def points_to_confirm(run: Run, most: int = MOST_POINTS) -> list[NumberedRecord]:
    """Return the front's members, then its near rivals, the nearest first.

    Where the front has more members than may be confirmed, those stay that add most to its
    hypervolume.
    """
    members = pareto_front(run)
    if len(members) > most:
        return _widest(members, run, most)
    return [*members, *_near_rivals(members, run)][:most]


def _widest(members: list[NumberedRecord], run: Run, most: int) -> list[NumberedRecord]:
    kept = list(members)
    costs = log_costs([trial.record for trial in members], run)
    low, span = costs.min(axis=0), np.ptp(costs, axis=0)
    scaled = (costs - low) / np.where(span > 0, span, 1.0)
    while len(kept) > most:
        added = moocore.hv_contributions(scaled, ref=np.full(scaled.shape[1], 1.1))
        added[scaled.argmin(axis=0)] = np.inf  # the best in each objective stay
        least = int(np.argmin(added))
        kept.pop(least)
        scaled = np.delete(scaled, least, axis=0)
    return kept


def _near_rivals(members: Sequence[NumberedRecord], run: Run) -> list[NumberedRecord]:
    if not members:
        return []
    numbers = {trial.number for trial in members}
    rivals = [t for t in run.trials if t.record.is_feasible and t.number not in numbers]
    costs = log_costs([trial.record for trial in members], run)
    units = np.array([np.log1p(o.resolution) or _METRIC_STEP for o in run.facts.objectives])
    own = log_costs([trial.record for trial in rivals], run)
    gaps = {t.number: _gap(cost, costs, units) for t, cost in zip(rivals, own, strict=True)}
    near = [trial for trial in rivals if gaps[trial.number] <= NEAR_IN_RESOLUTIONS]
    return sorted(near, key=lambda trial: gaps[trial.number])


def _gap(own: NDArray, members: NDArray, units: NDArray) -> float:
    """Return how many units a point lies behind the nearest member, in its worst objective."""
    return float(((own - members) / units).max(axis=1).min())
