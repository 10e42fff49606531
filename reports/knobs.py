"""What each parameter does to each objective: how much of the spread it explains, and which way.

The share is that of a one-way analysis of variance, adjusted for the number of groups (adjusted
R^2 [1]): 1 - (n - 1) / (n - k) * within / total, over the n trials that have the parameter, in k
groups of its values. Costs count as logarithms, so that a share speaks of ratios. It is what a
parameter explains alone; two that act only together show less, and parameters that the search
varied together share what they explain. fANOVA would fit a forest to a search's uneven sample for
the same first-order shares; this needs no model, costs a millisecond and can be checked by hand.

Example:
    Latencies of 1, 1, 1 with int8 and 2, 2, 2 with fp32 give precision a share of 1; where each
    precision has 1, 1.5 and 2 it has 0.

References:
    [1] H. Theil, "Economic Forecasts and Policy", 1961, section 6.4.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.cells import param_text, printable
from search.records import GATED, Run, TrialRecord
from spaces.dimensions import is_number
from spaces.objectives import Objective

FEWEST = 8
"""Trials below which a share would be chance."""
_MOST_VALUES = 6
"""Numbers with more values than this are grouped into quantiles."""
_MOST_WORDS = 12
_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Effect:
    """An objective over the trials of one group of a parameter's values.

    Attributes:
        low: 10th percentile, in the unit people see; ``median`` and ``high``, the 90th, likewise.
    """

    label: str
    count: int
    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Knob:
    """One parameter that took several values.

    Attributes:
        count: Measured trials that have it.
        shares: Objective's name -> share of its spread in 0 to 1; None where too few were measured.
        effects: Objective's name -> its groups in order.
    """

    name: str
    count: int
    shares: Mapping[str, float | None]
    effects: Mapping[str, Sequence[Effect]]

    @property
    def greatest_share(self) -> float:
        """Return the share in the objective where it is greatest."""
        return max((share for share in self.shares.values() if share is not None), default=0.0)


def knobs(run: Run) -> list[Knob]:
    """Return the parameters that vary among what was measured, the most important first."""
    records = [t.record for t in run.trials if _is_measured(t.record)]
    names = dict.fromkeys(name for record in records for name in record.params)
    found = [_knob(run, name, [r for r in records if name in r.params]) for name in names]
    return sorted((k for k in found if k is not None), key=lambda knob: -knob.greatest_share)


def explained_share(values: NDArray[np.float64], groups: NDArray[np.intp]) -> float | None:
    """Return the adjusted share of the variance that lies between groups.

    Args:
        values: Of shape (n,).
        groups: The group of each, of shape (n,), from 0.

    Returns:
        In 0 to 1; None for fewer than `FEWEST` values, or not two more than groups.
    """
    n, k = len(values), len(np.unique(groups))
    total = float(((values - values.mean()) ** 2).sum()) if n else 0.0
    if n < FEWEST or n < k + 2:
        return None
    if k < 2 or total <= 1e-12 * max(1.0, float((values**2).sum())):
        return 0.0
    counts = np.bincount(groups)
    means = np.bincount(groups, values) / np.maximum(counts, 1)
    within = float(((values - means[groups]) ** 2).sum())
    return min(1.0, max(0.0, 1 - (n - 1) / (n - k) * within / total))


def _is_measured(record: TrialRecord) -> bool:
    return record.failure is None or (record.failure.kind == GATED and bool(record.quantities))


def _knob(run: Run, name: str, records: Sequence[TrialRecord]) -> Knob | None:
    """Return what a parameter does, or None where it has one value only."""
    values = [record.params[name] for record in records]
    labels, groups = _grouped(values)
    if len(labels) < 2:
        return None
    shares, effects = {}, {}
    for objective in run.facts.objectives:
        shown = np.array([_value(record, objective) for record in records])
        known = ~np.isnan(shown) & (groups >= 0)
        is_ratio = objective != run.facts.metric and bool((shown[known] > 0).all())
        scale = np.log(shown[known]) if is_ratio else shown[known]
        shares[objective.name] = explained_share(scale, groups[known])
        effects[objective.name] = _effects(labels, shown[known], groups[known])
    return Knob(printable(name), len(records), shares, effects)


def _effects(
    labels: Sequence[str], shown: NDArray[np.float64], groups: NDArray[np.intp]
) -> list[Effect]:
    effects = []
    for place, label in enumerate(labels):
        inside = shown[groups == place]
        if len(inside):
            low, median, high = (float(q) for q in np.quantile(inside, (0.1, 0.5, 0.9)))
            effects.append(Effect(label, len(inside), low, median, high))
    return effects


def _value(record: TrialRecord, objective: Objective) -> float:
    value = record.shown(objective)
    return np.nan if value is None else value


def _grouped(values: Sequence[Any]) -> tuple[list[str], NDArray[np.intp]]:
    """Return the labels of groups in order, and the group of each value; -1 for rare words."""
    if all(is_number(value) for value in values):
        return _grouped_numbers(values)
    texts = [param_text(value) for value in values]
    labels = sorted(text for text, _ in Counter(texts).most_common(_MOST_WORDS))
    place = {label: n for n, label in enumerate(labels)}
    return labels, np.array([place.get(text, -1) for text in texts], dtype=np.intp)


def _grouped_numbers(values: Sequence[float]) -> tuple[list[str], NDArray[np.intp]]:
    distinct = sorted(set(values))
    if len(distinct) <= _MOST_VALUES:
        place = {value: n for n, value in enumerate(distinct)}
        labels = [param_text(value) for value in distinct]
        return labels, np.array([place[value] for value in values], dtype=np.intp)
    inner = np.quantile(values, np.arange(1, _GROUPS) / _GROUPS)
    edges = sorted({float(edge) for edge in inner if edge < distinct[-1]})
    groups = [bisect.bisect_left(edges, value) for value in values]
    labels = []
    for number in range(len(edges) + 1):
        inside = [value for value, group in zip(values, groups, strict=True) if group == number]
        ends = dict.fromkeys(map(param_text, (min(inside), max(inside)))) if inside else {}
        labels.append(" to ".join(ends))
    return labels, np.array(groups, dtype=np.intp)
