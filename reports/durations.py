"""Where a run's wall time went, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from search.records import Run, TrialRecord


@dataclass(frozen=True, slots=True)
class StageTime:
    """One stage over a whole run.

    Attributes:
        count: How many candidates went through it.
        found: How many of them had its result in the store.
    """

    name: str
    seconds: float
    count: int
    found: int


def stage_times(run: Run) -> list[StageTime]:
    """Return stages in the order of the pipeline, then the sampler, then the rest.

    The baseline counts; a stage that only failed trials reached counts too.
    """
    records = list(_records(run))
    names = dict.fromkeys(name for record in records for name in record.stage_seconds)
    times = [
        StageTime(
            name,
            sum(record.stage_seconds.get(name, 0.0) for record in records),
            sum(name in record.stage_seconds for record in records),
            sum(name in record.found_stages for record in records),
        )
        for name in names
    ]
    sampler = sum(record.ask_seconds for record in records)
    rest = sum(record.overhead_seconds for record in records)
    return [
        *times,
        StageTime("choosing trials", sampler, len(run.trials), 0),
        StageTime("everything else", rest, len(run.trials), 0),
    ]


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: ``0.42 s``, ``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _records(run: Run) -> Iterator[TrialRecord]:
    if run.baseline is not None:
        yield run.baseline
    yield from (trial.record for trial in run.trials)
