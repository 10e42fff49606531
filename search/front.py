"""The Pareto front and its hypervolume, over the numbers that were measured.

Example:
    With objectives (p90 ms down, accuracy up) and points A (1.0, 0.90), B (2.0, 0.95) and
    C (2.01, 0.95), the front is A and B; C equals B at a resolution of 2 % and is tied with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import moocore
import numpy as np
from numpy.typing import NDArray

from search.records import NumberedRecord, Run, TrialRecord

ACCURACY_DROP_AT_REFERENCE = 0.10
_SMALLEST = 1e-6
"""A cost of 0, such as memory within what was resident already, has no logarithm."""


def pareto_front(run: Run) -> list[NumberedRecord]:
    """Return the feasible trials that no other dominates, best in the first objective first.

    Values are rounded to each objective's resolution, so that noise doesn't fill the front. Of
    trials that are equal after rounding, the best in the first objective's true value stays; `ties`
    names the others. Once a run is confirmed, only what was confirmed can be a member.
    """
    return _nondominated(*_rounded(run))


def ties(run: Run) -> dict[int, tuple[int, ...]]:
    """Return, for each member of the front, the trials that equal it after rounding."""
    trials, costs = _rounded(run)
    members = {trial.number for trial in _nondominated(trials, costs)}
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
    members = pareto_front(replace(run, trials=others))
    costs = to_resolution(run.costs_of([member.record for member in members]), run)
    return [
        member
        for member, cost in zip(members, costs, strict=True)
        if not (confirmed <= cost).all(axis=1).any()
    ]


def hypervolume(run: Run) -> float | None:
    """Return the volume that the feasible trials dominate, or None without a baseline.

    Costs are taken as log ratios to the baseline, the metric on its own scale. The reference point
    is the baseline's cost, and its metric worse by 0.10. Once a run is confirmed, only what was
    confirmed counts.
    """
    baseline = run.usable_baseline
    if baseline is None:
        return None
    reference = _reference(run)
    points = logarithms(run.eligible_costs, run) - log_costs([baseline], run)
    return _volume(points[(points < reference).all(axis=1)], reference)


def hypervolume_history(run: Run) -> list[float]:
    """Return the `hypervolume` of the first n trials for each n; empty without a baseline.

    Args:
        run: `Run.as_searched`, as a confirmation has no place in the order of the trials.
    """
    baseline = run.usable_baseline
    if baseline is None:
        return []
    reference = _reference(run)
    points = logarithms(run.eligible_costs, run) - log_costs([baseline], run)
    numbers = [trial.number for trial in run.eligible]
    point_of = {n: p for n, p in zip(numbers, points, strict=True) if (p < reference).all()}
    best, volumes = np.empty((0, len(reference))), [0.0]
    for trial in run.trials:
        point, volume = point_of.get(trial.number), volumes[-1]
        if point is not None and not (best <= point).all(axis=1).any():
            best = np.vstack([best[~(best >= point).all(axis=1)], point])
            volume = _volume(best, reference)
        volumes.append(volume)
    return volumes[1:]


def log_costs(records: Sequence[TrialRecord], run: Run) -> NDArray[np.float64]:
    """Return what is to be small, of shape (n_records, n_objectives): logarithms, the metric as is.

    Args:
        records: With a value for each of the run's objectives.
        run: Whose objectives.
    """
    return logarithms(run.costs_of(records), run)


def logarithms(costs: NDArray[np.float64], run: Run) -> NDArray[np.float64]:
    """Return costs of shape (..., n_objectives) as logarithms, the metric as it is."""
    is_metric = np.array([objective == run.facts.metric for objective in run.facts.objectives])
    logs = np.copysign(1.0, costs) * np.log(np.maximum(np.abs(costs), _SMALLEST))
    return np.where(is_metric, costs, logs)


def to_resolution(costs: NDArray[np.float64], run: Run) -> NDArray[np.float64]:
    """Return costs rounded to each objective's resolution, on a logarithmic scale."""
    rounded = costs.copy()
    for column, objective in zip(rounded.T, run.facts.objectives, strict=True):
        if objective.resolution:
            step = math.log1p(objective.resolution)
            sizes = np.where(column == 0, 1.0, np.abs(column))
            nearest = np.exp(np.rint(np.log(sizes) / step) * step)
            column[:] = np.where(column == 0, 0.0, np.copysign(nearest, column))
    return rounded


def _reference(run: Run) -> NDArray[np.float64]:
    """Return the corner of the hypervolume as seen from the baseline."""
    axes = run.facts.objectives
    return np.array([ACCURACY_DROP_AT_REFERENCE if o == run.facts.metric else 0.0 for o in axes])


def _volume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the volume between the reference and points of shape (n, n_objectives) inside it."""
    return float(moocore.hypervolume(points, ref=reference)) if len(points) else 0.0


def _nondominated(
    trials: Sequence[NumberedRecord], costs: NDArray[np.float64]
) -> list[NumberedRecord]:
    """Return the trials that no other dominates; of equal ones, the first."""
    if not trials:
        return []
    keep = moocore.is_nondominated(costs)
    return [trial for trial, kept in zip(trials, keep, strict=True) if kept]


def _rounded(run: Run) -> tuple[list[NumberedRecord], NDArray[np.float64]]:
    """Return what may be a member, best in the first objective first, with its rounded costs."""
    costs = run.eligible_costs
    order = np.argsort(costs[:, 0], kind="stable")
    return [run.eligible[place] for place in order], to_resolution(costs[order], run)
