"""What the page knows of each candidate beside its figures: what links them, budgets, commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.budgets import Budget, budget_of, takeable
from reports.candidates import Candidate
from reports.cells import title
from reports.looks import LOOKS, drawn
from reports.markup import export_words
from reports.outcomes import FRONT
from reports.recommendation import recommended
from search.records import NumberedRecord, Run
from spaces.objectives import Objective


def page_data(run: Run, found: Sequence[Candidate], folder: Path) -> dict[str, Any]:
    """Return plain data, its lists by row of the candidates.

    ``rank`` is a candidate's place in the order of preference, None for what can't be taken
    whatever the budgets are: see `reports.budgets.takeable`. ``lines`` holds each distinct line of
    text once, and ``hover`` their places for each row.
    ``command`` is what stands before, between and after a trial's number.
    """
    best = recommended(run)
    places: dict[str, int] = {}
    hover = [[places.setdefault(line, len(places)) for line in c.lines] for c in found]
    *until_number, _, out, into = export_words(run, folder, "")
    budgets = [budget_of(run, objective) for objective in run.facts.objectives]
    return {
        "trial": [None if c.trial is None else c.trial.number for c in found],
        "outcome": [LOOKS[c.outcome].legend for c in found],
        "onFront": [int(c.outcome == FRONT) for c in found],
        "exportable": [int(c.is_exportable) for c in found],
        "rank": _ranks(run, found, budgets),
        "values": {
            o.name: drawn(c.record.shown(o) for c in found) for o in run.facts.objectives
        },
        "budgets": [_budget(run, found, budget) for budget in budgets],
        "lines": list(places),
        "hover": hover,
        "command": [f"{shlex.join(until_number)} ", f" {out} {into}", ""],
        "chosen": None if best is None else _row_of(found, best),
    }  # fmt: skip


def budget_label(run: Run, objective: Objective) -> str:
    """Return what a budget limits: an objective, or how much worse the metric may be."""
    budget = budget_of(run, objective)
    loss = f" {budget.name.rpartition('_')[2]}" if budget.is_drop else ""
    return f"{title(objective)}{loss}"


def _budget(run: Run, found: Sequence[Candidate], budget: Budget) -> dict[str, Any]:
    """Return a budget: ``sign`` is 1 where a value may be at most the limit, -1 where at least."""
    before = None if run.baseline is None else run.baseline.shown(budget.objective)
    return {
        "values": [budget.value(run, c.record) for c in found],
        "bound": budget.bound,
        "sign": budget.sign,
        "unit": budget.objective.unit,
        "baseline": None if budget.is_drop else before,
    }


def _ranks(run: Run, found: Sequence[Candidate], budgets: Sequence[Budget]) -> list[int | None]:
    rank = {trial.number: place for place, trial in enumerate(takeable(run, budgets))}
    return [None if c.trial is None else rank.get(c.trial.number) for c in found]


def _row_of(found: Sequence[Candidate], trial: NumberedRecord) -> int:
    return next(c.row for c in found if c.trial is trial)
