"""What became of every trial, in words: on the front, dominated, infeasible, rejected or failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reports.cells import UNAVAILABLE, cell, number_text, printable, shown_objectives
from search.front import pareto_front, unconfirmed_members
from search.records import NumberedRecord, Run, TrialRecord

FRONT, DOMINATED, INFEASIBLE = "front", "dominated", "infeasible"
UNCONFIRMED = "unconfirmed"
"""No confirmed trial dominates it by what it seemed in the search, but it wasn't measured again."""


def outcomes(run: Run) -> dict[int, str]:
    """Return trial number -> outcome; where there are no numbers, the kind of the failure."""
    members = {trial.number for trial in pareto_front(run)}
    open_ones = {trial.number for trial in unconfirmed_members(run)}
    return {trial.number: _outcome(trial, members, open_ones) for trial in run.trials}


def has_numbers(run: Run) -> bool:
    """Say whether anything at all was measured, be it only the baseline."""
    records = [trial.record for trial in run.trials]
    return any(record.quantities for record in (*records, run.baseline) if record is not None)


def why_not(run: Run, trial: NumberedRecord, outcome: str) -> str:
    """Return why a trial isn't on the front, in one line; its outcome is that of `outcomes`."""
    if trial.number in run.lost:
        return printable(f"couldn't be measured again: {run.lost[trial.number]}")
    if outcome == UNCONFIRMED:
        return f"not confirmed, as there was no time or room for it: {_values(run, trial.record)}"
    return explanation(run, trial.record)


def explanation(run: Run, record: TrialRecord) -> str:
    """Return why a candidate has no numbers, or what they are, in one line."""
    if record.failure is not None:
        where = f" at {record.failure.stage}" if record.failure.stage else ""
        return printable(f"{record.failure.kind}{where}: {record.failure.reason}")
    if not record.is_feasible:
        broken = [
            _broken(run, record, n, over) for n, over in record.violations.items() if over > 0
        ]
        return printable(f"infeasible: {'; '.join(broken)}")
    return f"dominated or tied: {_values(run, record)}"


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Trials that came to nothing for the same reason.

    Attributes:
        kind: That of the failure, or infeasible.
        stage: Empty where none had begun.
        reason: In the tool's words, or the constraint that is broken.
    """

    kind: str
    stage: str
    reason: str
    numbers: tuple[int, ...]


def what_failed(run: Run) -> list[FailureGroup]:
    """Return why trials aren't candidates: broken constraints, then failures, most frequent first.

    What a gate ended may break a constraint, too, and then stands under both.
    """
    return [*_by_constraint(run), *_by_reason(run)]


def _by_constraint(run: Run) -> list[FailureGroup]:
    groups: dict[str, list[int]] = {}
    for trial in run.trials:
        for name, over in trial.record.violations.items():
            if over > 0:
                groups.setdefault(constraint_text(run, name), []).append(trial.number)
    return _most_frequent_first(
        FailureGroup(INFEASIBLE, "benchmark", f"breaks {text}", tuple(numbers))
        for text, numbers in groups.items()
    )


def _by_reason(run: Run) -> list[FailureGroup]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for trial in run.trials:
        failure = trial.record.failure
        if failure is not None:
            key = (failure.kind, failure.stage or "", failure.reason)
            groups.setdefault(key, []).append(trial.number)
    return _most_frequent_first(
        FailureGroup(*key, tuple(numbers)) for key, numbers in groups.items()
    )


def _most_frequent_first(groups: Iterable[FailureGroup]) -> list[FailureGroup]:
    return sorted(groups, key=lambda group: -len(group.numbers))


def constraint_text(run: Run, name: str) -> str:
    """Return the bounds of an objective; its name where they came to nothing."""
    return printable(" and ".join(run.facts.constraints_on(name)) or name)


def _outcome(trial: NumberedRecord, members: set[int], open_ones: set[int]) -> str:
    if trial.record.failure is not None:
        return trial.record.failure.kind
    if not trial.record.is_feasible:
        return INFEASIBLE
    if trial.number in open_ones:
        return UNCONFIRMED
    return FRONT if trial.number in members else DOMINATED


def _broken(run: Run, record: TrialRecord, name: str, overshoot: float) -> str:
    by_name = {o.name: o for o in shown_objectives(run, record.quantities).values()}
    found = cell(run, record, by_name[name])
    if found.mark == UNAVAILABLE:
        return f"{constraint_text(run, name)} can't be checked, {found.provenance}"
    value = f"{found.marked} {by_name[name].unit}".strip()
    percent = number_text(100 * overshoot)
    return f"{constraint_text(run, name)} is broken by {percent} % with {value}"


def _values(run: Run, record: TrialRecord) -> str:
    objectives = run.facts.objectives
    shown = (f"{cell(run, record, o).marked} {o.unit}".strip() for o in objectives)
    return ", ".join(shown)
