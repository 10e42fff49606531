"""Trials under way: one where it is measured here, several where boards measure.

::

    main thread      ask 4   ask 5   ask 6            tell 4   ask 7       tell 6
    lane 1           | build 4 | measure 4 on a |              | build 7 ...
    lane 2                   | build 5 .................. | measure 5 on b ...
    lane 3                           | (in the store) | measure 6 on b |

A lane is a thread that builds and measures one trial after another, and waits there for its turn
with the builder or a board. Everything else, such as Optuna, records and what a person sees,
belongs to the main thread: what happens in a lane reaches it through a queue. With a single lane
there are no threads.

Lanes live as long as the run: a child process ends with the thread that has started it, and the
builder's serves all of them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna

from evaluators.candidate import Candidate
from search.events import Event, Observer, ignore
from search.records import NumberedRecord, TrialRecord


@dataclass(frozen=True, slots=True)
class Flight:
    """A trial under way.

    Attributes:
        origin: How it came to be, see `search.policy.history`.
        same: The measured trials of this very candidate, oldest first.
        ask_s: What proposing it took.
        started_s: When it began, monotonic seconds.
    """

    trial: optuna.Trial
    candidate: Candidate
    origin: dict[str, Any]
    same: list[NumberedRecord]
    ask_s: float
    started_s: float


@dataclass(frozen=True, slots=True)
class Landed:
    """A trial that ended.

    Attributes:
        waited_s: How long the main thread did nothing but wait for it.
    """

    flight: Flight
    record: TrialRecord
    waited_s: float


_Outcome = TrialRecord | BaseException
_Evaluate = Callable[[], TrialRecord]


class Flights:
    """Lanes for trials, and what is heard of them.

    Args:
        lanes: How many trials may be under way.
        observe: Told of every event, always in the thread that made this.

    Attributes:
        lanes: As given.
    """

    def __init__(self, lanes: int = 1, observe: Observer = ignore) -> None:
        self.lanes = lanes
        self._observe = observe
        self._main = threading.get_ident()
        self._under_way: list[Flight] = []
        self._threads: list[threading.Thread] = []
        self._to_do: queue.SimpleQueue[tuple[Flight, _Evaluate] | None] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[Event | tuple[Flight, _Outcome]] = queue.SimpleQueue()

    def observe(self, event: Event) -> None:
        """Pass an event on, from whichever thread."""
        if threading.get_ident() == self._main:
            self._observe(event)
        else:
            self._heard.put(event)

    @property
    def has_room(self) -> bool:
        """Say whether one more trial may start."""
        return len(self._under_way) < self.lanes

    @property
    def candidates(self) -> list[Candidate]:
        """Return what is under way."""
        return [flight.candidate for flight in self._under_way]

    def start(self, flight: Flight, evaluate: _Evaluate) -> None:
        """Evaluate a trial: at once where there is one lane, else in the first that is free."""
        self._under_way.append(flight)
        if self.lanes == 1:
            self._heard.put((flight, evaluate()))
            return
        if len(self._threads) < len(self._under_way):
            self._threads.append(threading.Thread(target=self._fly, daemon=True))
            self._threads[-1].start()
        self._to_do.put((flight, evaluate))

    def close(self) -> None:
        """Let each lane end once it is done; nobody hears of what it still does."""
        for _ in self._threads:
            self._to_do.put(None)
        self._threads.clear()

    def _fly(self) -> None:
        while (work := self._to_do.get()) is not None:
            flight, evaluate = work
            try:
                outcome: _Outcome = evaluate()
            except BaseException as error:  # noqa: BLE001  the main thread raises it
                outcome = error
            self._heard.put((flight, outcome))

    def land(self) -> Landed:
        """Wait for a trial to end, and pass on what happens meanwhile.

        Raises:
            RunError: If it ended the run.
        """
        waited_s = 0.0
        while True:
            start = time.monotonic()
            heard = self._heard.get()
            waited_s += time.monotonic() - start
            if not isinstance(heard, tuple):
                self._observe(heard)
                continue
            flight, outcome = heard
            self._under_way.remove(flight)
            if isinstance(outcome, BaseException):
                raise outcome
            if self.lanes == 1:  # it was evaluated in `start`
                waited_s = sum(outcome.stage_seconds.values())
            return Landed(flight, outcome, waited_s)
