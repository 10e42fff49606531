"""A run as pandas DataFrames: the columns of the CSV files, and the tables of the report.

Each number stands beside its provenance, in the column ``NAME_provenance``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from reports.knobs import knobs
from reports.outcomes import outcomes, what_failed
from reports.rows import Row, candidate_row, column_names, flat, front_rows, record_row, trial_rows
from search.records import NumberedRecord, Run, TrialRecord


def front_frame(run: Run) -> pd.DataFrame:
    """Return the front as ``front.csv`` has it: one row a member, the first objective's best first.

    It has a column for each objective even where it is empty.
    """
    names = ["trial", "outcome", *(objective.name for objective in run.facts.objectives)]
    return frame_of(front_rows(run), names)


def trials_frame(run: Run) -> pd.DataFrame:
    """Return every finished trial as ``trials.csv`` has it: one row a trial, in their order."""
    return frame_of(trial_rows(run), ["trial", "state", "outcome"])


def candidate_series(run: Run, trial: NumberedRecord, si_names: Iterable[str]) -> pd.Series:
    """Return one trial with the columns of the front, and those of other numbers wanted."""
    outcome = outcomes(run)[trial.number]
    row = flat(candidate_row(run, trial, outcome, si_names))
    return pd.Series(row, name=f"trial {trial.number}", dtype=object)


def baseline_series(run: Run, record: TrialRecord) -> pd.Series:
    """Return the baseline with the columns of the trials."""
    return pd.Series(flat(record_row(run, record)), name="baseline", dtype=object)


def knobs_frame(run: Run) -> pd.DataFrame:
    """Return what each parameter explains of each objective, the most important one first.

    ``trials`` counts the measured ones that have it. A share is of the spread, in 0 to 1, as
    `reports.knobs` defines it; NaN where too few trials were measured.
    """
    names = [objective.name for objective in run.facts.objectives]
    rows = [
        {
            "parameter": knob.name,
            "trials": knob.count,
            **{name: knob.shares[name] for name in names},
        }
        for knob in knobs(run)
    ]
    frame = pd.DataFrame(rows, columns=["parameter", "trials", *names])
    return frame.astype(dict.fromkeys(names, float))


def failures_frame(run: Run) -> pd.DataFrame:
    """Return why trials came to nothing: one row a reason, constraints first.

    ``trials`` has their numbers, and ``count`` how many they are.
    """
    columns = ["count", "outcome", "stage", "reason", "trials"]
    rows = [
        (len(group.numbers), group.kind, group.stage, group.reason, group.numbers)
        for group in what_failed(run)
    ]
    return pd.DataFrame(rows, columns=columns)


def frame_of(rows: Sequence[Row], least: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame; where there are none, it has the columns of ``least``."""
    return pd.DataFrame([flat(row) for row in rows], columns=column_names(rows) or list(least))
