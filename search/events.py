"""What a study says while it works. The command line turns these into progress and a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from search.drift import CanaryReading
from search.records import NumberedRecord, Run, TrialRecord


@dataclass(frozen=True, slots=True)
class Notice:
    """A line a person must see: a stand-in, an estimate, a resumed run."""

    text: str


def trial_label(number: int) -> str:
    """Return what a trial is called where its stages are named."""
    return f"trial {number}"


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of a trial under way began; ``is_timed`` where nothing may disturb it."""

    trial: str
    stage: str
    is_timed: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stage that isn't timed is still going; sent twice a second."""


@dataclass(frozen=True, slots=True)
class BaselineMeasured:
    """The baseline is known."""

    record: TrialRecord
    run: Run


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """Optuna proposed a trial."""

    number: int
    params: dict[str, object]


@dataclass(frozen=True, slots=True)
class TrialFinished:
    """A trial was told; ``left_s`` is the expected rest of the run."""

    trial: NumberedRecord
    run: Run
    finished: int
    wanted: int
    left_s: float | None


@dataclass(frozen=True, slots=True)
class CanaryRead:
    """The baseline was timed again; ``reading`` says how much the machine has changed."""

    reading: CanaryReading


@dataclass(frozen=True, slots=True)
class ConfirmationStarted:
    """The front is measured again, so many points in so many rounds, the baseline with it."""

    points: int
    rounds: int


@dataclass(frozen=True, slots=True)
class FrontConfirmed:
    """The confirmed front; ``before`` is the run as the search left it."""

    run: Run
    before: Run


Event = (
    Notice
    | StageStarted
    | Waiting
    | BaselineMeasured
    | TrialStarted
    | TrialFinished
    | CanaryRead
    | ConfirmationStarted
    | FrontConfirmed
)
Observer = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Take an event and do nothing."""
