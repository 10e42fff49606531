"""Budgets: the most that an objective may cost or the least it must bring, and what they leave.

A budget is a slider in the report and a keyword of `search.results.Results.recommend`. It begins at
the constraint of the space file and stands for it: who loosens a budget beyond the constraint sees
trials that break it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from reports.cells import difference_from_reference, marks_of, number_text
from reports.footnotes import emptiness
from reports.looks import short
from reports.recommendation import by_preference
from search.errors import UsageError
from search.records import NumberedRecord, Run, TrialRecord
from spaces.errors import suggest
from spaces.objectives import Objective, likely_objective


@dataclass(frozen=True, slots=True)
class Budget:
    """What limits one objective.

    Attributes:
        is_drop: Whether it limits how much worse the metric is than the float32 model's on the
            host, instead of the metric itself.
        bound: The constraint of the space file, on the scale of `value`; None where there is none.
    """

    objective: Objective
    is_drop: bool
    bound: float | None

    @property
    def name(self) -> str:
        """Return the objective's name; of the metric's loss, with ``_drop`` or ``_rise``."""
        if not self.is_drop:
            return self.objective.name
        return f"{self.objective.name}_{'drop' if self._is_maximized else 'rise'}"

    @property
    def sign(self) -> int:
        """Return 1 where a value may be at most the limit, -1 where at least."""
        return -1 if self._is_maximized and not self.is_drop else 1

    def value(self, run: Run, record: TrialRecord) -> float | None:
        """Return what the budget limits, in the unit people see, with six digits; None without."""
        shown = record.shown(self.objective)
        if shown is None or not self.is_drop:
            return None if shown is None else short(shown)
        difference = difference_from_reference(run, shown)
        assert difference is not None, "there is a drop only where there is a reference"
        return short(-difference if self._is_maximized else difference) + 0.0  # -0.0 is 0

    def allows(self, value: float | None, limit: float | None) -> bool:
        """Say whether a value lies within a limit, to six digits; None limits nothing."""
        if limit is None:
            return True
        return value is not None and self.sign * value <= self.sign * short(limit)

    def text(self, limit: float) -> str:
        """Return a limit for people: ``latency_p90_ms <= 50``."""
        return f"{self.name} {'<=' if self.sign > 0 else '>='} {limit:.4g}"

    @property
    def _is_maximized(self) -> bool:
        return self.objective.direction == "maximize"


def budget_of(run: Run, objective: Objective) -> Budget:
    """Return the budget of an objective: of the metric its loss, where there is a reference."""
    has_reference = objective == run.facts.metric and run.facts.reference_metric is not None
    return _budget(run, objective, is_drop=has_reference)


def takeable(run: Run, budgets: Iterable[Budget]) -> list[NumberedRecord]:
    """Return what could be taken if these budgets were loose enough, the preferred first.

    That leaves out what failed, what a gate ended, and what breaks a bound that none of the budgets
    stands for; once a run is confirmed, also what keeps every bound but wasn't confirmed.
    """
    eligible = {trial.number for trial in run.eligible}
    stood_for = {budget.objective.name for budget in budgets if _is_whole(run, budget.objective)}
    trials = [
        trial
        for trial in run.trials
        if trial.number in eligible or _breaks_only(run, trial.record, stood_for)
    ]
    return [trials[place] for place in by_preference(run, trials)] if trials else []


def best_within(run: Run, limits: Mapping[str, float]) -> NumberedRecord:
    """Return the preferred trial of those within some limits.

    Args:
        run: As it stands.
        limits: By the name of a budget: any objective or other number that is measured, or the
            metric's loss (``accuracy_drop``). An objective that none is given for keeps its
            constraint.

    Raises:
        ValueError: If a name is unknown or a limit is no number.
        UsageError: If no trial is left.
    """
    given = {budget_named(run, name): _number(name, limit) for name, limit in limits.items()}
    named = {budget.objective.name for budget in given}
    others = [budget_of(run, o) for o in run.facts.objectives if o.name not in named]
    wanted = {**given, **{b: b.bound for b in others}}
    found = takeable(run, wanted)
    for trial in found:
        if all(b.allows(b.value(run, trial.record), limit) for b, limit in wanted.items()):
            return trial
    raise UsageError(_nothing_left(run, found, wanted))


def budget_named(run: Run, name: str) -> Budget:
    """Return the budget of this name.

    Raises:
        ValueError: If there is none.
    """
    budgets = [_budget(run, objective, is_drop=False) for objective in run.facts.known.values()]
    found = {budget.name: budget for budget in budgets}
    loss = budget_of(run, run.facts.metric)
    found[loss.name] = loss
    if name not in found:
        likely = likely_objective(name)
        remedy = suggest(name, list(found)) if likely is None else f"Did you mean {likely}?"
        raise ValueError(
            f"a budget must name an objective, or the metric's loss, but got {name!r}. {remedy}"
        )
    return found[name]


def _budget(run: Run, objective: Objective, *, is_drop: bool) -> Budget:
    low, high = run.facts.bounds.get(objective.name, (None, None))
    is_maximized = objective.direction == "maximize"
    bound = low if is_maximized else high
    if is_drop and bound is not None:
        assert run.facts.reference_metric is not None
        bound = (bound - run.facts.reference_metric) * (-1 if is_maximized else 1)
    return Budget(objective, is_drop, None if bound is None else short(bound))


def _breaks_only(run: Run, record: TrialRecord, names: set[str]) -> bool:
    """Say whether a trial has all numbers, and breaks no bound but those of these objectives."""
    if record.failure is not None or any(record.shown(o) is None for o in run.facts.objectives):
        return False
    broken = {name for name, over in record.violations.items() if over > 0}
    return bool(broken) and broken <= names


def _is_whole(run: Run, objective: Objective) -> bool:
    """Say whether an objective is bounded on no side but that of its budget."""
    low, high = run.facts.bounds.get(objective.name, (None, None))
    return (high if objective.direction == "maximize" else low) is None


def _number(name: str, limit: object) -> float:
    if not isinstance(limit, Real) or isinstance(limit, bool) or math.isnan(limit):
        raise ValueError(f"a budget must be a number, but {name} is {limit!r}. Write {name}=0.5.")
    return float(limit)


def _nothing_left(
    run: Run, found: Sequence[NumberedRecord], wanted: Mapping[Budget, float | None]
) -> str:
    """Say what is asked for, and how near to each limit the trials come."""
    if not found:
        return f"there is nothing to recommend. {emptiness(run)}"
    asked = [
        f"{budget.text(limit)} (the best has {_best(run, found, budget)})"
        for budget, limit in wanted.items()
        if limit is not None
    ]
    return f"no trial keeps {' and '.join(asked)}. Loosen a budget, or search on."


def _best(run: Run, found: Sequence[NumberedRecord], budget: Budget) -> str:
    values = [(budget.value(run, trial.record), trial.record) for trial in found]
    known = [(value, record) for value, record in values if value is not None]
    if not known:
        return "no number"
    value, record = min(known, key=lambda pair: budget.sign * pair[0])
    return f"{number_text(value)}{marks_of(record, budget.objective)}"
