"""What every device provides: a way to run a job in a fresh worker on it, and its lock.

A job is what `evaluators.benchmark.worker` takes. Files in it are paths on this machine: the
folders ``compiled`` or ``model``, the lists in ``inputs``, and ``out_dir``, which the job writes
into. How they get to the device and back is the device's own business.

What goes wrong with the way there is `DeviceLost`, whatever was under way: nothing of such a job is
kept, and it can be run again once `Device.reopen` has succeeded.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from evaluators.benchmark.survey import Survey, survey_from_json
from evaluators.child_process import Limits
from evaluators.device_lock import wait_for_lock
from evaluators.failures import DeviceLost
from evaluators.framing import Message


class Device(abc.ABC):
    """Where artifacts are compiled and measured.

    Attributes:
        name: As in the space file.
        limits: What one job may take there.
        say: Told what a person should know while nothing moves.
        found: What `look` saw, None before.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.limits = limits
        self.say: Callable[[str], None] = lambda _text: None
        self.found: Survey | None = None

    @property
    @abc.abstractmethod
    def cpu_count(self) -> int:
        """Return how many CPUs a job may use."""

    @property
    def lanes(self) -> int:
        """Return how many trials may be under way at once.

        One, where it is this machine: nothing else is done here while something is timed here.
        """
        return 1

    @property
    def boards(self) -> tuple[str, ...]:
        """Return the names of the machines that it consists of, where they are several."""
        return ()

    @property
    def board(self) -> str | None:
        """Return which of several boards this thread holds."""
        return None

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of what compiled artifacts depend on."""

    def look(self, meter: str | None = None, program: Sequence[str] = ()) -> Survey:
        """Look at what the device has and lacks, and remember it for `reopen`.

        Args:
            meter: The only meter to look at; None looks at all.
            program: What the meter ``command`` runs.

        Raises:
            EvaluationFailure: If it can't be looked at.
        """
        self.found = self._survey(meter, program)
        return self.found

    def restrict(self, limits: Limits) -> None:
        """Set what one job may take."""
        self.limits = limits

    @abc.abstractmethod
    def _survey(self, meter: str | None, program: Sequence[str]) -> Survey:
        """Look around on the device."""

    @abc.abstractmethod
    def run(self, job: dict[str, Any]) -> Message:
        """Run one job of the worker in a process of its own and wait without waking.

        Raises:
            EvaluationFailure: What the worker reported, or how it ended.
        """

    @abc.abstractmethod
    def quiet(self) -> AbstractContextManager[None]:
        """Hold the device's lock, so that nothing else of ours runs while something is timed.

        Raises:
            DeviceLost: If the device went away.
        """

    @contextmanager
    def staying_on(self, _board: str | None = None) -> Iterator[None]:
        """Do all that this thread does meanwhile on one board: the one named, or any."""
        yield

    @abc.abstractmethod
    def reopen(self) -> None:
        """Start anew, with nothing left of what ran, and look whether all is there as it was.

        Raises:
            EvaluationFailure: If it isn't.
        """

    def hang_up(self) -> None:
        """Close the way to what was lost, so that it can be reset."""
        self.close()

    def leave_out(self, _board: str | None) -> bool:
        """Use one of several boards no more, and say whether another one is left."""
        return False

    @abc.abstractmethod
    def command(self, program: Sequence[str]) -> None:
        """Run a program on the device itself, such as the one that reboots it.

        Raises:
            EvaluationFailure: If it can't be run there or fails.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """End what runs there and close the way to it; the next job opens it again."""


class OneMachine(Device):
    """A device that is a single machine, with one lock."""

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the machine's lock; see `Device.quiet`."""
        wait_for_lock(
            self._try_to_lock,
            lambda holder: self.say(f"{self.name} is in use by {_who(holder)}: waiting for it."),
        )
        try:
            yield
        finally:
            self._unlock()

    @abc.abstractmethod
    def _try_to_lock(self) -> dict[str, Any] | None:
        """Take the lock, or return what its holder says of itself."""

    @abc.abstractmethod
    def _unlock(self) -> None:
        """Free the lock; one that went away with the link is free already."""

    def reopen(self) -> None:
        """Start anew; see `Device.reopen`."""
        self.close()
        body = self.run({"kind": "survey", "meter": "command", "meter_program": []}).body
        now = survey_from_json(body)
        before = {} if self.found is None else self.found.engines
        for name, engine in before.items():
            reason = now.engines[name].stand_in_reason
            if reason is not None and engine.stand_in_reason is None:
                raise DeviceLost(f"{name}: {reason}")


def _who(holder: dict[str, Any]) -> str:
    return f"process {holder.get('pid', '?')} for {holder.get('host', 'somebody')}"
