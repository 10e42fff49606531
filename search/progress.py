"""Progress of a run: a live display in a terminal, one line an event elsewhere, and the log.

The live display redraws on events and, in stages that aren't timed, twice a second. While something
is being timed nothing is drawn: a redraw is work on the machine that is being measured.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markup import escape
from rich.segment import Segment
from rich.text import Text

from reports.cells import marks_of
from reports.tables import front_table
from search.events import (
    BaselineMeasured,
    CanaryRead,
    ConfirmationStarted,
    Event,
    FrontConfirmed,
    Notice,
    StageStarted,
    TrialFinished,
    TrialStarted,
    trial_label,
)
from search.front import hypervolume, pareto_front
from search.records import Run, TrialRecord
from spaces.objectives import Objective


class PlainProgress:
    """One line an event, as a log or a pipe wants it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __call__(self, event: Event) -> None:
        """Print an event."""
        line = describe_event(event)
        if line is not None:
            self._console.print(escape(line), soft_wrap=True, highlight=False)


class Screen(Protocol):
    """Where a live display is drawn, each time in place of the last: a terminal, or a notebook."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def update(self, renderable: RenderableType, *, refresh: bool = False) -> None:
        """Draw what is to be seen now."""


class LiveProgress:
    """The trials under way and their stages, time left, the front so far and its hypervolume.

    Args:
        console: Gets what stays.
        screen: Gets what is replaced; the console's terminal if None.
    """

    def __init__(self, console: Console, screen: Screen | None = None) -> None:
        self._console = console
        self._live = screen or Live(console=console, auto_refresh=False, transient=True)
        self._below: Sequence[_LaidOutOnce] = ()
        self._head = ""
        self._trials: set[str] = set()  # under way, by the name that their stages have
        self._stages: dict[str, tuple[str, float]] = {}  # what each does, and since when

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Redraw for an event."""
        if isinstance(event, Notice):
            self._console.print(f"[yellow]![/] {escape(event.text)}")
            return  # what is drawn stays as it is, below
        if isinstance(event, StageStarted):
            self._show_stage(event.trial, f"{event.trial}: {event.stage}")
        elif isinstance(event, BaselineMeasured):
            self._below = self._found_so_far(event.run)
        elif isinstance(event, TrialStarted):
            label = trial_label(event.number)
            self._trials.add(label)
            self._show_stage(label, label)
        elif isinstance(event, TrialFinished):
            label = trial_label(event.trial.number)
            self._trials.discard(label)
            self._stages.pop(label, None)
            self._below = self._found_so_far(event.run)
            left = "" if event.left_s is None else f", about {_duration(event.left_s)} left"
            self._head = f"{event.finished} of {event.wanted} trials{left}"
        elif isinstance(event, ConfirmationStarted):
            self._head = describe_event(event) or ""
        elif isinstance(event, FrontConfirmed):
            self._head = describe_event(event) or ""
            self._below = self._found_so_far(event.run)
        elif isinstance(event, CanaryRead) and event.reading.has_drifted:
            self._console.print(f"[yellow]![/] {escape(_canary_line(event))}")
        self._live.update(self._screen(), refresh=True)

    def _show_stage(self, of: str, words: str) -> None:
        """Show a stage instead of the last one of the same; what isn't a trial comes alone."""
        under_way = {name: each for name, each in self._stages.items() if name in self._trials}
        self._stages = under_way | {of: (words, time.monotonic())}

    def _screen(self) -> RenderableType:
        now = time.monotonic()
        stages = [f"{words}  {now - since:.0f} s" for words, since in self._stages.values()]
        line = Text("  |  ".join([self._head or "starting", *stages]))
        return Group(line, *self._below)

    def _found_so_far(self, run: Run) -> Sequence[_LaidOutOnce]:
        """Return the front with its hypervolume; nothing before there is a baseline."""
        if run.baseline is None:
            return ()
        volume = hypervolume(run)
        below = "" if volume is None else f"hypervolume {volume:.4f}"
        most = self._console.height // 2  # the other half is for what stands around it
        parts = [*front_table(run, show_all=False, most=most).renderables, Text(below)]
        return [self._laid_out(part) for part in parts]

    def _laid_out(self, part: RenderableType) -> _LaidOutOnce:
        """Return a part with the lines that an equal one has already: few trials change a row.

        Texts are equal by their words, of which none come in two styles.
        """
        return next((each for each in self._below if each.content == part), _LaidOutOnce(part))


@dataclass(slots=True)
class _LaidOutOnce:
    """What is drawn many times and doesn't change: its lines are kept for the width they fit.

    Laying out a table takes tens of milliseconds, and every stage of a trial draws it again.
    """

    content: RenderableType
    _width: int | None = None
    _lines: list[Segment] = field(default_factory=list)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width != self._width:
            lines = console.render_lines(self.content, options, pad=False, new_lines=True)
            self._lines = [part for line in lines for part in Segment.simplify(line)]
            self._width = options.max_width
        yield from self._lines


@singledispatch
def describe_event(_event: Event) -> str | None:
    """Return one line for an event, or None for one that isn't worth a line."""
    return None


@describe_event.register
def _notice_line(event: Notice) -> str:
    return f"! {event.text}"


@describe_event.register
def _stage_line(event: StageStarted) -> str | None:
    is_slow_start = event.trial in ("workload", "baseline")
    return f"{event.trial}: {event.stage}" if is_slow_start else None


@describe_event.register
def _baseline_line(event: BaselineMeasured) -> str:
    return f"baseline {_outcome(event.record, event.run.facts.objectives)}"


@describe_event.register
def _canary_line(event: CanaryRead) -> str:
    reading = event.reading
    where = "" if reading.board is None else f" on {reading.board}"
    line = f"canary: the baseline takes {reading.ratio:.3f} of its time at the beginning{where}"
    if not reading.has_drifted:
        return line
    return f"{line}: the machine has drifted, so what was measured since the last reading is marked"


@describe_event.register
def _confirmation_line(event: ConfirmationStarted) -> str:
    times = "a fresh process" if event.rounds == 1 else f"{event.rounds} fresh processes"
    return (
        f"confirming the front: {event.points} points and the baseline, measured again in {times} "
        "each"
    )


@describe_event.register
def _confirmed_line(event: FrontConfirmed) -> str:
    before = {trial.number for trial in pareto_front(event.before)}
    after = {trial.number for trial in pareto_front(event.run)}
    line = f"confirmed: {len(after)} on the front, {len(before & after)} of them as before"
    for number, why in event.run.lost.items():
        line += f"; trial {number} couldn't be measured again ({why})"
    return line


def log_event(logger: logging.Logger, event: Event) -> None:
    """Write an event to the run's log, every stage included."""
    if isinstance(event, StageStarted):
        logger.info("%s: %s", event.trial, event.stage)
        return
    line = describe_event(event)
    if line is not None:
        logger.info("%s", line)


@describe_event.register
def _finished_line(event: TrialFinished) -> str:
    record = event.trial.record
    params = " ".join(f"{name}={_short(value)}" for name, value in record.params.items())
    volume = hypervolume(event.run)
    tail = f"front {len(pareto_front(event.run))}"
    if volume is not None:
        tail += f", hypervolume {volume:.4f}"
    if event.left_s is not None:
        tail += f", {_duration(event.left_s)} left"
    outcome = _outcome(record, event.run.facts.objectives)
    head = f"[{event.finished}/{event.wanted}] trial {event.trial.number}"
    origin = f" ({_origin(record)})" if record.origin else ""
    return f"{head}{origin} {outcome} | {params} | {tail}"


def _origin(record: TrialRecord) -> str:
    """Return how a trial came to be, in words."""
    arm, parent = record.origin["arm"], record.origin["parent"]
    return arm if parent is None else f"{arm} of {parent}"


def _outcome(record: TrialRecord, objectives: tuple[Objective, ...]) -> str:
    if record.failure is not None:
        kind = record.failure.kind.replace("_", " ")
        return f"{kind} at {record.failure.stage}: {record.failure.reason}"
    values = " ".join(f"{o.name}={_shown(record, o)}" for o in objectives)
    broken = [f"{name} by {over:.0%}" for name, over in record.violations.items() if over > 0]
    return values + (f" (breaks {', '.join(broken)})" if broken else "")


def _shown(record: TrialRecord, objective: Objective) -> str:
    value = record.shown(objective)
    return "-" if value is None else f"{value:.4g}{marks_of(record, objective)}"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
