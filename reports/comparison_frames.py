"""Runs side by side as pandas DataFrames: one row a model and run, ratios to the first run's.

Each number stands beside its interval and its provenance, in the columns ``NAME_low``,
``NAME_high`` and ``NAME_provenance``. ``NAME_ratio`` is it over the first run's, with its 95 %
interval; a metric has ``NAME_difference`` instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.comparison import NamedRun, by_params
from reports.frames import frame_of
from reports.recommendation import interval_of_ratio, recommended
from reports.rows import Row, quantity_columns
from search.records import Run, TrialRecord


def baselines_frame(runs: Sequence[NamedRun]) -> pd.DataFrame:
    """Return the baseline of each run that has one."""
    first = runs[0][1].baseline
    rows = [
        _row({"run": name}, run, run.baseline, runs[0][1], first)
        for name, run in runs
        if run.baseline is not None
    ]
    return frame_of(rows, ["run"])


def to_ship_frame(runs: Sequence[NamedRun]) -> pd.DataFrame:
    """Return the model that each run's report recommends; none has no row."""
    best = [recommended(run) for _, run in runs]
    first = None if best[0] is None else best[0].record
    rows = [
        _row({"run": name, "trial": trial.number}, run, trial.record, runs[0][1], first)
        for (name, run), trial in zip(runs, best, strict=True)
        if trial is not None
    ]
    return frame_of(rows, ["run", "trial"])


def shared_frame(runs: Sequence[NamedRun]) -> pd.DataFrame:
    """Return each candidate that was measured in the first run and in another.

    It has a row for each run that measured it, the last trial of its parameters there; the column
    ``candidate`` counts the candidates from 0.
    """
    first_run = runs[0][1]
    measured = [by_params(run) for _, run in runs]
    shared = [key for key in measured[0] if any(key in others for others in measured[1:])]
    rows = [
        _row(
            {"candidate": number, "run": name, "trial": trials[key].number},
            run,
            trials[key].record,
            first_run,
            measured[0][key].record,
        )
        for number, key in enumerate(shared)
        for (name, run), trials in zip(runs, measured, strict=True)
        if key in trials
    ]
    return frame_of(rows, ["candidate", "run", "trial"])


def _row(
    head: Mapping[str, Any],
    run: Run,
    record: TrialRecord,
    first_run: Run,
    first: TrialRecord | None,
) -> Row:
    """Return one model in one run, in the objectives of the first, beside what that had of it."""
    si_names = [objective.si_name for objective in first_run.facts.objectives]
    numbers = quantity_columns(run, record, si_names)
    return (dict(head), record.params, numbers | _to_first(first_run, record, first))


def _to_first(run: Run, record: TrialRecord, first: TrialRecord | None) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for objective in run.facts.objectives:
        quantity = record.quantities.get(objective.si_name)
        base = None if first is None else first.quantities.get(objective.si_name)
        if quantity is None or base is None or quantity.value is None or base.value is None:
            continue
        if objective == run.facts.metric:
            difference = objective.shown_from_si(quantity.value - base.value)
            columns[f"{objective.name}_difference"] = difference
        elif base.value:
            ends = None if quantity is base else interval_of_ratio(quantity, base)
            low, high = ends or (None, None)
            columns[f"{objective.name}_ratio"] = quantity.value / base.value
            columns |= {f"{objective.name}_ratio_low": low, f"{objective.name}_ratio_high": high}
    return columns
