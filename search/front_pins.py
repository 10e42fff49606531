"""Keeping a front's files in the store: pinned as soon as the search knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluators.failures import DiskFull
from evaluators.store import ArtifactStore
from search.errors import UsageError
from search.events import BaselineMeasured, Event, FrontConfirmed, Observer, TrialFinished
from search.front import pareto_front
from search.records import NumberedRecord, Run


@dataclass(slots=True)
class FrontPins:
    """An observer that pins what a run's front needs, and then passes every event on.

    What a trial does to the front is found among its members: what they dominate can't come back.

    Attributes:
        run_dir: The pins hold as long as this folder is there.
    """

    store: ArtifactStore
    run_dir: Path
    observe: Observer
    _members: list[NumberedRecord] | None = None
    _pinned: frozenset[str] = frozenset()

    def __call__(self, event: Event) -> None:
        """Pin, then pass the event on.

        Raises:
            UsageError: If the store's disk is full.
        """
        if isinstance(event, TrialFinished) and self._members is not None:
            self._pin_front(replace(event.run, trials=(*self._members, event.trial)))
        elif isinstance(event, BaselineMeasured | TrialFinished | FrontConfirmed):
            self._pin_front(event.run)
        self.observe(event)

    def _pin_front(self, run: Run) -> None:
        self._members = pareto_front(run)
        keys = _keys(run, self._members)
        if keys != self._pinned:
            _pin(self.store, self.run_dir, keys)
            self._pinned = keys


def _keys(run: Run, members: Sequence[NumberedRecord]) -> frozenset[str]:
    """Return the keys of the entries that hold the front's artifacts and the baseline's.

    The baseline's, because everything is a ratio to it, and confirmation measures that very file.
    """
    records = [trial.record for trial in members]
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
