"""One session at a terminal: progress, log, Ctrl-C, and what is printed before and after."""

from __future__ import annotations

import logging
import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from reports.tables import front_table
from search import api
from search.errors import DeviceGone
from search.events import Event, Observer
from search.front import pareto_front
from search.outputs import OutputsOfARunningSearch, write_outputs
from search.parameters import grid_size
from search.plan import Plan
from search.progress import LiveProgress, PlainProgress, log_event
from search.records import Run
from search.run_directory import RunDirectory
from search.study import RunOptions, check_space, confirm_front, run_search
from spaces.schema import Space

DONE, NOTHING_FEASIBLE, STOPPED = 0, 1, 130

Work = Callable[[Space, RunDirectory, RunOptions, Observer], Run]


class Session:
    """A run at the command line.

    Args:
        space: What to search.
        run_dir: The run's folder; None for ``runs/<name>``.
        plain: One line an event even in a terminal.
    """

    def __init__(self, space: Space, run_dir: Path | None, *, plain: bool) -> None:
        self._space = space
        self._directory = RunDirectory(run_dir or api.default_run_dir(space.name))
        self._console = Console()
        self._plain = plain or not self._console.is_terminal
        self._is_stopping = False

    def run(
        self,
        *,
        trials: int | None,
        timeout_s: float | None,
        storage: str | None,
        seed: int | None,
    ) -> int:
        """Search, print the front, and return the exit code."""
        options = RunOptions(trials, timeout_s, storage, seed, lambda: self._is_stopping)
        return self._work(run_search, options)

    def confirm(self) -> int:
        """Confirm the front, print it, and return the exit code."""
        return self._work(confirm_front, RunOptions(should_stop=lambda: self._is_stopping))

    def _work(self, work: Work, options: RunOptions) -> int:
        progress = PlainProgress(self._console) if self._plain else LiveProgress(self._console)
        logger = logging.getLogger("search.run")
        keep = OutputsOfARunningSearch(self._directory)

        def observe(event: Event) -> None:
            log_event(logger, event)
            progress(event)
            keep(event)

        try:
            with self._interruptible(), progress, _run_log(logger, self._directory):
                work(self._space, self._directory, options, observe)
        except KeyboardInterrupt:
            self._is_stopping = True
        except DeviceGone:
            self._finish()  # what was finished is worth a report, whenever the device comes back
            raise
        return self._finish()

    def _finish(self) -> int:
        found = self._directory.load()
        write_outputs(found, self._directory)
        self._console.print(front_table(found, show_all=False))
        self._console.print(
            f"report: {escape(str(self._directory.report.absolute()))}", soft_wrap=True
        )
        if self._is_stopping:
            return STOPPED
        return DONE if pareto_front(found) else NOTHING_FEASIBLE

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let the first Ctrl-C (or SIGTERM) end the run after this trial, the second at once."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            if self._is_stopping:
                raise KeyboardInterrupt
            self._is_stopping = True
            self._console.print("Stopping after this trial; once more stops now.")

        kept = {name: signal.signal(name, on_signal) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in kept.items():
                signal.signal(name, handler)


def print_plan(space: Space) -> None:
    """Print what a run would do: dimensions, first trials, what is shared, what is missing."""
    console = Console()
    plan = check_space(space)
    for text in plan.target.notices:
        console.print(f"! {escape(text)}", soft_wrap=True)
    budget = space.budget
    limit = "" if budget.timeout_s is None else f", at most {budget.timeout_s:g} s"
    console.print(f"{plan.space.name} on {plan.target.machine}: {budget.trials} trials{limit}")
    console.print(f"workload: {plan.workload.metric}, inputs {dict(plan.workload.inputs)}")
    console.print("dimensions:")
    for name, dimension in plan.parameters.searched.items():
        size = grid_size(dimension)
        console.print(
            f"  {escape(name)}: {'continuous' if math.isinf(size) else f'{size:g} values'}"
        )
    console.print("first trials:")
    for candidate in plan.first:
        console.print(f"  {escape(str(candidate.params()))}", soft_wrap=True)
    console.print(_sharing(plan))


def _sharing(plan: Plan) -> str:
    forms = sorted({form for e in plan.target.engines.values() for form in e.forms.values()})
    return (
        f"stages: compress -> export -> quantize ({', '.join(forms)}) -> compile -> benchmark; "
        "candidates that differ only in engine flags share everything up to compile."
    )


class _RunLog(logging.FileHandler):
    """A log that loses lines while its disk is full; the study says what is wrong."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Print a traceback for anything but a line that can't be written."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


@contextmanager
def _run_log(logger: logging.Logger, directory: RunDirectory) -> Iterator[None]:
    """Send what happens to the run's log, once its folder is there."""
    try:
        directory.path.mkdir(parents=True, exist_ok=True)
        handler = _RunLog(directory.log, delay=True)
    except OSError:  # the run itself says what is wrong with its folder
        yield
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()
