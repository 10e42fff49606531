"""Keeping a front's files in the store: pinned as soon as the search knows of them."""

from __future__ import annotations

from pathlib import Path

from evaluators.failures import DiskFull
from evaluators.store import ArtifactStore
from search.errors import UsageError
from search.events import BaselineMeasured, Event, FrontConfirmed, Observer, TrialFinished
from search.front import pareto_front
from search.records import Run


def pinning(store: ArtifactStore, run_dir: Path, observe: Observer) -> Observer:
    """Return an observer that pins what a run's front needs, and then passes the event on.

    Raises:
        UsageError: When an event comes, if the store's disk is full.
    """
    pinned: frozenset[str] = frozenset()

    def pin_then_observe(event: Event) -> None:
        nonlocal pinned
        if isinstance(event, BaselineMeasured | TrialFinished | FrontConfirmed):
            keys = _keys(event.run)
            if keys != pinned:
                _pin(store, run_dir, keys)
                pinned = keys
        observe(event)

    return pin_then_observe


def _keys(run: Run) -> frozenset[str]:
    """Return the keys of the entries that hold the front's artifacts and the baseline's.

    The baseline's, because everything is a ratio to it, and confirmation measures that very file.
    """
    records = [trial.record for trial in pareto_front(run)]
    if run.baseline is not None:
        records.append(run.baseline)
    return frozenset(Path(r.artifact).parent.name for r in records if r.artifact is not None)


def _pin(store: ArtifactStore, run_dir: Path, keys: frozenset[str]) -> None:
    try:
        store.pin(run_dir, keys)
    except DiskFull as failure:
        raise UsageError(
            f"{failure.reason} Every finished trial is kept, and the same command goes on."
        ) from failure
