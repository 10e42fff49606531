"""The Pareto front and its hypervolume, over the numbers that were measured.

Example:
    With objectives (p90 ms down, accuracy up) and points A (1.0, 0.90), B (2.0, 0.95) and
    C (2.01, 0.95), the front is A and B; C equals B at a resolution of 2 % and is tied with it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import moocore
import numpy as np
from numpy.typing import NDArray

from search.records import NumberedRecord, Run, TrialRecord
from spaces.objectives import Objective

ACCURACY_DROP_AT_REFERENCE = 0.10
_SMALLEST = 1e-6
"""A cost of 0, such as memory within what was resident already, has no logarithm."""


def pareto_front(run: Run) -> list[NumberedRecord]:
    """Return the feasible trials that no other dominates, best in the first objective first.

    Values are rounded to each objective's resolution, so that noise doesn't fill the front. Of
    trials that are equal after rounding, the best in the first objective's true value stays; `ties`
    names the others. Once a run is confirmed, only what was confirmed can be a member.
    """
    trials, costs = _rounded(run)
    if not trials:
        return []
    first_of_its_kind = np.zeros(len(trials), dtype=bool)
    first_of_its_kind[np.unique(costs, axis=0, return_index=True)[1]] = True
    keep = moocore.is_nondominated(costs, keep_weakly=True) & first_of_its_kind
    return [trial for trial, kept in zip(trials, keep, strict=True) if kept]


def ties(run: Run) -> dict[int, tuple[int, ...]]:
    """Return, for each member of the front, the trials that equal it after rounding."""
    trials, costs = _rounded(run)
    members = {trial.number for trial in pareto_front(run)}
    alike: dict[bytes, list[int]] = {}
    for trial, cost in zip(trials, costs, strict=True):
        alike.setdefault(cost.tobytes(), []).append(trial.number)
    return {
        group[0]: tuple(group[1:])
        for group in alike.values()
        if group[0] in members and len(group) > 1
    }


def unconfirmed_members(run: Run) -> list[NumberedRecord]:
    """Return trials that weren't confirmed, and that no confirmed one dominates by what they seem.

    They come to light where a confirmed member turned out worse than the search saw it.
    """
    if not run.is_confirmed:
        return []
    _, confirmed = _rounded(run)
    others = [trial for trial in run.trials if not trial.record.is_confirmed]
    return [
        trial
        for trial in pareto_front(replace(run, trials=others))
        if not any((member <= _rounded_costs(trial.record, run)).all() for member in confirmed)
    ]


def hypervolume(run: Run) -> float | None:
    """Return the volume that the feasible trials dominate, or None without a baseline.

    Costs are taken as log ratios to the baseline, the metric on its own scale. The reference point
    is the baseline's cost, and its metric worse by 0.10. Once a run is confirmed, only what was
    confirmed counts.
    """
    if run.baseline is None or run.baseline.failure is not None:
        return None
    axes = run.facts.objectives
    reference = np.array(
        [ACCURACY_DROP_AT_REFERENCE if o == run.facts.metric else 0.0 for o in axes]
    )
    before = log_costs(run.baseline, run)
    points = [log_costs(trial.record, run) - before for trial in _eligible(run)]
    inside = [point for point in points if all(point < reference)]
    return float(moocore.hypervolume(np.array(inside), ref=reference)) if inside else 0.0


def log_costs(record: TrialRecord, run: Run) -> NDArray[np.float64]:
    """Return what is to be small, of shape (n_objectives,): logarithms, the metric as it is."""
    return np.array(
        [_log_cost(_cost(record, o), is_metric=o == run.facts.metric) for o in run.facts.objectives]
    )


def _rounded(run: Run) -> tuple[list[NumberedRecord], NDArray[np.float64]]:
    """Return what may be a member, best in the first objective first, with its rounded costs."""
    objectives = run.facts.objectives
    trials = sorted(_eligible(run), key=lambda trial: _cost(trial.record, objectives[0]))
    return trials, np.array([_rounded_costs(trial.record, run) for trial in trials])


def _rounded_costs(record: TrialRecord, run: Run) -> NDArray[np.float64]:
    return np.array([_rounded_cost(record, objective) for objective in run.facts.objectives])


def _eligible(run: Run) -> list[NumberedRecord]:
    """Return the feasible trials; once a run is confirmed, those of them that were confirmed."""
    is_confirmed = run.is_confirmed
    return [
        trial
        for trial in run.trials
        if trial.record.is_feasible and (trial.record.is_confirmed or not is_confirmed)
    ]


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


def _log_cost(cost: float, *, is_metric: bool) -> float:
    if is_metric:
        return cost
    return math.copysign(1.0, cost) * math.log(max(abs(cost), _SMALLEST))
