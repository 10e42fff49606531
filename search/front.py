"""The Pareto front and its hypervolume, over the numbers that were measured.

Example:
    With objectives (p90 ms down, accuracy up) and points A (1.0, 0.90), B (2.0, 0.95) and
    C (2.01, 0.94), the front is A and B; C equals B in latency at a resolution of 2 % and is less
    accurate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from search.records import NumberedRecord, Run, TrialRecord
from spaces.objectives import Objective

ACCURACY_DROP_AT_REFERENCE = 0.10


def pareto_front(run: Run) -> list[NumberedRecord]:
    """Return the feasible trials that no other dominates, best in the first objective first.

    Values are rounded to each objective's resolution, so that noise doesn't fill the front. Of
    trials that are equal after rounding, the best in the first objective's true value stays.
    """
    objectives = run.facts.objectives
    trials = [trial for trial in run.trials if trial.record.is_feasible]
    trials.sort(key=lambda trial: _cost(trial.record, objectives[0]))
    if not trials:
        return []
    costs = np.array([[_rounded_cost(t.record, o) for o in objectives] for t in trials])
    first_of_its_kind = np.zeros(len(trials), dtype=bool)
    first_of_its_kind[np.unique(costs, axis=0, return_index=True)[1]] = True
    keep = moocore.is_nondominated(costs, keep_weakly=True) & first_of_its_kind
    return [trial for trial, kept in zip(trials, keep, strict=True) if kept]


def hypervolume(run: Run) -> float | None:
    """Return the volume that the feasible trials dominate, or None without a baseline.

    Costs are taken as log ratios to the baseline, the metric on its own scale. The reference point
    is the baseline's cost, and its metric worse by 0.10.
    """
    if run.baseline is None or run.baseline.failure is not None:
        return None
    axes = run.facts.objectives
    reference = np.array(
        [ACCURACY_DROP_AT_REFERENCE if o == run.facts.metric else 0.0 for o in axes]
    )
    points = [
        [
            _relative_cost(trial.record, run.baseline, o, is_metric=o == run.facts.metric)
            for o in axes
        ]
        for trial in run.trials
        if trial.record.is_feasible
    ]
    inside = [point for point in points if all(np.array(point) < reference)]
    return float(moocore.hypervolume(np.array(inside), ref=reference)) if inside else 0.0


def front_matrix(front: Sequence[NumberedRecord], objectives: Sequence[Objective]) -> NDArray:
    """Return shown values of shape (n_points, n_objectives)."""
    return np.array([[t.record.shown(o) for o in objectives] for t in front], dtype=float)


def _cost(record: TrialRecord, objective: Objective) -> float:
    value = record.shown(objective)
    assert value is not None
    return value if objective.direction == "minimize" else -value


def _rounded_cost(record: TrialRecord, objective: Objective) -> float:
    cost = _cost(record, objective)
    if not objective.resolution or cost == 0:
        return cost
    step = math.log1p(objective.resolution)
    return math.copysign(math.exp(round(math.log(abs(cost)) / step) * step), cost)


def _relative_cost(
    record: TrialRecord, baseline: TrialRecord, objective: Objective, *, is_metric: bool
) -> float:
    cost, before = _cost(record, objective), _cost(baseline, objective)
    if is_metric or cost * before <= 0:
        return cost - before
    return math.copysign(1.0, cost) * math.log(cost / before)
