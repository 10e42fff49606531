"""A trial as a flat row: the columns of a CSV file and of a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reports.cells import shown_interval, shown_objectives
from reports.outcomes import outcomes
from search.front import pareto_front
from search.records import NumberedRecord, Run, TrialRecord

Row = tuple[dict[str, Any], ...]
"""One trial, its columns in parts: what it is, its parameters, its numbers, its costs."""


def trial_rows(run: Run) -> list[Row]:
    """Return everything that is known of every finished trial, in order."""
    found = outcomes(run)
    return [
        (
            {
                "trial": trial.number,
                "state": trial.state,
                "outcome": found[trial.number],
                "arm": trial.record.origin.get("arm", "first"),
                "parent": trial.record.origin.get("parent"),
            },
            *record_row(run, trial.record),
        )
        for trial in run.trials
    ]


def front_rows(run: Run, *, show_all: bool = False) -> list[Row]:
    """Return the front with its objectives, best in the first one first; with all, by number."""
    trials = run.trials if show_all else pareto_front(run)
    found = outcomes(run)
    return [candidate_row(run, trial, found[trial.number]) for trial in trials]


def candidate_row(
    run: Run, trial: NumberedRecord, outcome: str, si_names: Iterable[str] = ()
) -> Row:
    """Return what a trial is, its objectives, and how far they can be trusted.

    Args:
        run: Its run.
        trial: Measured or not.
        outcome: As `outcomes` says it.
        si_names: What else it is to have beside the objectives.
    """
    record = trial.record
    wanted = dict.fromkeys((*(o.si_name for o in run.facts.objectives), *si_names))
    return (
        {"trial": trial.number, "outcome": outcome},
        record.params,
        quantity_columns(run, record, wanted),
        trust_columns(run, record),
        {"artifact_sha256": record.artifact_sha256},
    )


def record_row(run: Run, record: TrialRecord) -> Row:
    """Return everything that was kept of a trial, or of the baseline."""
    failure = record.failure
    return (
        record.params,
        quantity_columns(run, record, record.quantities),
        trust_columns(run, record),
        {f"violation.{name}": over for name, over in record.violations.items()},
        {
            "failure_kind": failure.kind if failure else None,
            "failure_stage": failure.stage if failure else None,
            "failure_reason": failure.reason if failure else None,
        },
        {f"{stage}_seconds": seconds for stage, seconds in record.stage_seconds.items()},
        {
            "found_stages": " ".join(record.found_stages),
            "ask_seconds": record.ask_seconds,
            "overhead_seconds": record.overhead_seconds,
            "artifact": record.artifact,
            "artifact_sha256": record.artifact_sha256,
        },
    )


def trust_columns(run: Run, record: TrialRecord) -> dict[str, Any]:
    """Return what disturbed a trial, and whether and how it was confirmed."""
    return {
        "flags": "; ".join(record.flags),
        "confirmed": record.is_confirmed,
        "rounds": record.confirmation.rounds if record.confirmation else None,
        **{f"{o.name}_moved": record.moved(o) for o in run.facts.objectives},
    }


def quantity_columns(run: Run, record: TrialRecord, si_names: Iterable[str]) -> dict[str, Any]:
    """Return the columns of each quantity: its value, both ends of its interval, provenance.

    A percentile has what it is at most beside them.
    """
    columns: dict[str, Any] = {}
    shown = shown_objectives(run, record.quantities)
    for si_name in si_names:
        if si_name not in shown:
            continue
        objective, quantity = shown[si_name], record.quantities[si_name]
        low, high = shown_interval(quantity, objective) or (None, None)
        columns[objective.name] = record.shown(objective)
        columns |= {f"{objective.name}_low": low, f"{objective.name}_high": high}
        if quantity.at_most is not None:
            columns[f"{objective.name}_at_most"] = objective.shown_from_si(quantity.at_most)
        columns[f"{objective.name}_provenance"] = quantity.provenance
    return columns


def column_names(rows: Sequence[Row]) -> list[str]:
    """Return the union of the columns, part by part: what a later row adds stays with its kind."""
    parts = zip(*rows, strict=True)
    return list(dict.fromkeys(name for part in parts for row in part for name in row))


def flat(row: Row) -> dict[str, Any]:
    """Return the parts of a row as one, in their order; of equal names the first counts."""
    found: dict[str, Any] = {}
    for part in row:
        for name, value in part.items():
            found.setdefault(name, value)
    return found
