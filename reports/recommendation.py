"""Which model to ship, and what else the front offers.

The order of preference has the first objective before everything: a space file names first what
matters most, and its constraints say how much of the rest may be paid for it. Values of it that are
equal within its resolution decide nothing; of such models the better metric comes first, then the
other objectives in their order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evaluators.measurement import Quantity
from search.front import pareto_front, to_resolution
from search.records import NumberedRecord, Run, TrialRecord
from spaces.objectives import Objective

Interval = tuple[float, float]


def recommended(run: Run) -> NumberedRecord | None:
    """Return the member of the front that is preferred, or None where the front is empty."""
    members = pareto_front(run)
    return members[by_preference(run, members)[0]] if members else None


def alternatives(run: Run) -> list[tuple[NumberedRecord, list[Objective]]]:
    """Return the members that are best in another objective, each with what it is best in."""
    members = pareto_front(run)
    if not members:
        return []
    order = by_preference(run, members)
    costs = run.costs_of([members[place].record for place in order])
    found: dict[int, list[Objective]] = {}
    for objective, column in zip(run.facts.objectives, costs.T, strict=True):
        found.setdefault(int(order[int(np.argmin(column))]), []).append(objective)
    found.pop(int(order[0]), None)
    return [(members[place], best_in) for place, best_in in found.items()]


def by_preference(run: Run, trials: Sequence[NumberedRecord]) -> list[int]:
    """Return the positions of trials with a value for each objective, the preferred one first."""
    costs = run.costs_of([trial.record for trial in trials])
    rounded = to_resolution(costs, run)
    objectives = run.facts.objectives
    others = sorted(range(1, len(objectives)), key=lambda n: objectives[n] != run.facts.metric)
    keys = [rounded[:, column] for column in (0, *others)]
    order = np.lexsort([costs[:, 0], *reversed(keys)])  # the last key counts most
    return [int(place) for place in order]


def ratio_interval(run: Run, record: TrialRecord, objective: Objective) -> Interval | None:
    """Return the 95 % interval of a candidate's value over the baseline's, or None."""
    if run.baseline is None or record is run.baseline:
        return None
    name = objective.si_name
    return interval_of_ratio(record.quantities.get(name), run.baseline.quantities.get(name))


def interval_of_ratio(value: Quantity | None, base: Quantity | None) -> Interval | None:
    """Return the 95 % interval of one quantity over another, or None where one has none.

    The two were measured in different processes, so their errors are independent: on a logarithmic
    scale the distances to the ends add up in squares.
    """
    over, under = _log_distances(value), _log_distances(base)
    if over is None or under is None:
        return None
    center = over[0] - under[0]
    low = center - math.hypot(over[1], under[2])
    high = center + math.hypot(over[2], under[1])
    return math.exp(low), math.exp(high)


def difference_interval(run: Run, record: TrialRecord) -> Interval | None:
    """Return the 95 % interval of the metric minus the float32 model's on the host, or None.

    It is that of the paired drop, over the same samples.
    """
    metric = run.facts.metric
    drop = record.quantities.get(f"{metric.si_name}_drop")
    if drop is None or drop.low is None or drop.high is None:
        return None
    return (-drop.high, -drop.low) if metric.direction == "maximize" else (drop.low, drop.high)


def _log_distances(quantity: Quantity | None) -> tuple[float, float, float] | None:
    """Return the logarithm of a value and how far below and above it the interval reaches."""
    if quantity is None or quantity.value is None or quantity.low is None or quantity.high is None:
        return None
    low, value, high = quantity.low, quantity.value, quantity.high
    if not 0 < low <= value <= high:
        return None
    return math.log(value), math.log(value / low), math.log(high / value)
