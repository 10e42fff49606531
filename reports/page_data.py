"""What the page knows of each candidate beside its figures: what links them, budgets, commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.candidates import Candidate
from reports.cells import title
from reports.looks import LOOKS, drawn, short
from reports.markup import export_words
from reports.outcomes import FRONT
from reports.recommendation import by_preference, recommended
from search.records import NumberedRecord, Run, TrialRecord
from spaces.objectives import Objective


def page_data(run: Run, found: Sequence[Candidate], folder: Path) -> dict[str, Any]:
    """Return plain data, its lists by row of the candidates.

    ``rank`` is a candidate's place in the order of preference, None for what can't be taken
    whatever the budgets are: what failed, what a gate ended, and what breaks a bound that no budget
    stands for. ``lines`` holds each distinct line of text once, and ``hover`` their places for
    each row.
    ``command`` is what stands before, between and after a trial's number.
    """
    best = recommended(run)
    places: dict[str, int] = {}
    hover = [[places.setdefault(line, len(places)) for line in c.lines] for c in found]
    *until_number, _, out, into = export_words(run, folder, "")
    return {
        "trial": [None if c.trial is None else c.trial.number for c in found],
        "outcome": [LOOKS[c.outcome].legend for c in found],
        "onFront": [int(c.outcome == FRONT) for c in found],
        "exportable": [int(c.is_exportable) for c in found],
        "rank": _ranks(run, found),
        "values": {
            o.name: drawn(c.record.shown(o) for c in found) for o in run.facts.objectives
        },
        "budgets": [_budget(run, found, objective) for objective in run.facts.objectives],
        "lines": list(places),
        "hover": hover,
        "command": [f"{shlex.join(until_number)} ", f" {out} {into}", ""],
        "chosen": None if best is None else _row_of(found, best),
    }  # fmt: skip


def budget_label(run: Run, objective: Objective) -> str:
    """Return what a budget limits: an objective, or how much worse the metric may be."""
    if objective != run.facts.metric or run.facts.reference_metric is None:
        return title(objective)
    return f"{title(objective)} {'drop' if objective.direction == 'maximize' else 'rise'}"


def _budget(run: Run, found: Sequence[Candidate], objective: Objective) -> dict[str, Any]:
    """Return a budget: ``sign`` is 1 where a value may be at most the limit, -1 where at least."""
    low, high = run.facts.bounds.get(objective.name, (None, None))
    is_cost, reference = objective.direction == "minimize", run.facts.reference_metric
    bound = high if is_cost else low
    base = None if run.baseline is None else run.baseline.shown(objective)
    values = [c.record.shown(objective) for c in found]
    sign = 1 if is_cost else -1
    if objective == run.facts.metric and reference is not None:
        values = [None if v is None else sign * (v - reference) for v in values]
        bound = None if bound is None else sign * (bound - reference)
        sign, base = 1, None
    return {
        "values": drawn(values),
        "bound": None if bound is None else short(bound),
        "sign": sign,
        "unit": objective.unit,
        "baseline": base,
    }


def _ranks(run: Run, found: Sequence[Candidate]) -> list[int | None]:
    eligible = {trial.number for trial in run.eligible}
    rows, trials = [], []
    for candidate in found:
        trial = candidate.trial
        if trial is not None and (trial.number in eligible or _is_only_over(run, trial.record)):
            rows.append(candidate.row)
            trials.append(trial)
    ranks: list[int | None] = [None] * len(found)
    for rank, place in enumerate(by_preference(run, trials) if trials else ()):
        ranks[rows[place]] = rank
    return ranks


def _is_only_over(run: Run, record: TrialRecord) -> bool:
    """Say whether a candidate has all numbers, and every bound it breaks is one of the budgets'."""
    axes = {o.name: o for o in run.facts.objectives}
    if record.failure is not None or any(record.shown(o) is None for o in axes.values()):
        return False
    broken = [name for name, over in record.violations.items() if over > 0]
    return bool(broken) and all(name in axes and _is_a_budget(run, axes[name]) for name in broken)


def _is_a_budget(run: Run, objective: Objective) -> bool:
    low, high = run.facts.bounds.get(objective.name, (None, None))
    return (low if objective.direction == "minimize" else high) is None


def _row_of(found: Sequence[Candidate], trial: NumberedRecord) -> int:
    return next(c.row for c in found if c.trial is trial)
