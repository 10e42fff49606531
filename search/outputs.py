"""The files of a run for people and other programs, also while it is going on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from reports.atomic_file import write_atomically
from reports.html import write_report
from reports.tables import front_csv, trials_csv
from search.events import BaselineMeasured, Event, TrialFinished
from search.records import Run
from search.run_directory import RunDirectory

_SHARE = 0.02
"""Of a run's time that writing may take before its end."""


def write_outputs(found: Run, directory: RunDirectory) -> None:
    """Write front.csv, trials.csv and report.html into the run's folder.

    Raises:
        UsageError: If one can't be written; an older one is then still there.
    """
    with directory.clear_errors():
        _write(found, directory)


@dataclass(slots=True)
class OutputsOfARunningSearch:
    """An observer that writes the outputs between trials, however the run then ends.

    Nothing is timed then. Writing waits until it takes at most 2 % of the time since the last one.

    Attributes:
        clock: Monotonic, seconds.
    """

    directory: RunDirectory
    clock: Callable[[], float] = time.monotonic
    _due_s: float = 0.0

    def __call__(self, event: Event) -> None:
        """Write where an event changed the run and it is time to."""
        start_s = self.clock()
        if not isinstance(event, BaselineMeasured | TrialFinished) or start_s < self._due_s:
            return
        with suppress(OSError):  # the study is on the same disk, and says what is wrong with it
            _write(event.run, self.directory)
        end_s = self.clock()
        self._due_s = end_s + (end_s - start_s) / _SHARE


def _write(found: Run, directory: RunDirectory) -> None:
    write_atomically(directory.path / "front.csv", front_csv(found, show_all=False))
    write_atomically(directory.path / "trials.csv", trials_csv(found))
    write_report(found, directory.report)
