"""Constraints as bounds, and how far a number lies beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from evaluators.measurement import Quantity
from search.records import GATED, TrialRecord
from search.run_facts import Bounds, RunFacts
from spaces.constraints import Constraint
from spaces.objectives import Objective

UNBUILDABLE_OVERSHOOT = 10.0
"""Samplers add constraints up, so this outweighs any bound that is merely broken."""


def relative_overshoot(value: float, bound: float, *, is_upper: bool) -> float:
    """Return how far a value lies beyond its bound: 0.3 is 30 % over, negative is inside.

    A bound of zero has no relative scale; there the distance itself is returned.
    """
    distance = value - bound if is_upper else bound - value
    return distance / abs(bound) if bound else distance


def resolve_bounds(
    constraints: Mapping[Objective, Constraint],
    baseline: TrialRecord | None,
    reference_metric: float | None,
) -> dict[str, Bounds]:
    """Return lower and upper bound of each constrained objective, in the unit people see.

    Args:
        constraints: As in the space file.
        baseline: What ratios refer to; without it they bound nothing.
        reference_metric: The metric of the float32 model on the host, which drops refer to.
    """
    return {
        objective.name: _bounds(objective, constraint, baseline, reference_metric)
        for objective, constraint in constraints.items()
    }


def violations_of(
    quantities: Mapping[str, Quantity],
    objectives: Iterable[Objective],
    bounds: Mapping[str, Bounds],
) -> dict[str, float]:
    """Return the relative overshoot of every constraint; what is unavailable is inside no bound.

    Args:
        quantities: SI name -> number of one trial.
        objectives: The constrained ones.
        bounds: By objective, from `resolve_bounds`.
    """
    found = {}
    for objective in objectives:
        quantity = quantities[objective.si_name]
        if quantity.value is None:
            found[objective.name] = UNBUILDABLE_OVERSHOOT
            continue
        value = objective.shown_from_si(quantity.value)
        low, high = bounds[objective.name]
        over = [] if high is None else [relative_overshoot(value, high, is_upper=True)]
        under = [] if low is None else [relative_overshoot(value, low, is_upper=False)]
        found[objective.name] = max(over + under, default=0.0)
    return found


def judged(record: TrialRecord, facts: RunFacts) -> TrialRecord:
    """Return a record with what it breaks of a run's bounds; one that failed as it is.

    Where a gate ended it, what was measured until then is judged.
    """
    if record.failure is not None and record.failure.kind != GATED:
        return record
    constrained = [
        o for o in facts.bounded if record.failure is None or o.si_name in record.quantities
    ]
    over = violations_of(record.quantities, constrained, facts.bounds)
    return replace(record, violations=over)


def _bounds(
    objective: Objective,
    constraint: Constraint,
    baseline: TrialRecord | None,
    reference_metric: float | None,
) -> Bounds:
    """Return the tightest of the bounds that one constraint sets on either side."""
    before = None if baseline is None else baseline.shown(objective)
    lows = [constraint.min, _times(constraint.min_ratio, before)]
    highs = [constraint.max, _times(constraint.max_ratio, before)]
    if constraint.max_drop is not None and reference_metric is not None:
        if objective.direction == "maximize":
            lows.append(reference_metric - constraint.max_drop)
        else:
            highs.append(reference_metric + constraint.max_drop)
    low = max((bound for bound in lows if bound is not None), default=None)
    return low, min((bound for bound in highs if bound is not None), default=None)


def _times(ratio: float | None, before: float | None) -> float | None:
    return None if ratio is None or before is None else ratio * before
