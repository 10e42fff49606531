"""One or several identical boards as one device: whoever measures has one of them to itself.

::

    thread 1    quiet() -> board a ... timed ... free again
    thread 2    quiet() -> board b ...
    thread 3    quiet() -> waits for whichever is free first

A board that went away stays with the thread that lost it, until `Boards.reopen` has brought it back
or `Boards.leave_out` has given it up. The others go on meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from evaluators.benchmark.environment import boot_id
from evaluators.benchmark.survey import EngineFound, Survey
from evaluators.child_process import Limits
from evaluators.devices.device import Device
from evaluators.devices.ssh import SshDevice
from evaluators.failures import DeviceLost
from evaluators.framing import Message


class _Held(threading.local):
    """What a thread holds: a board, and whether it keeps it between two measurements."""

    board: SshDevice | None = None
    keeps: bool = False


class Boards(Device):
    """Runs each job on the board that its thread holds, or on the first that is free.

    Args:
        name: As in the space file.
        boards: At least one, each with a name of its own.
    """

    def __init__(self, name: str, boards: Sequence[SshDevice]) -> None:
        super().__init__(name, boards[0].limits)
        self._first = boards[0]  # what they have in common is asked of it, left out or not
        self._are_several = len(boards) > 1
        self._usable = list(boards)
        self._free = list(boards)
        self._freed = threading.Condition()
        self._held = _Held()
        for board in boards:
            board.say = self._pass_on

    @property
    def cpu_count(self) -> int:
        """Return how many CPUs a job may use, once the boards were looked at."""
        return self._first.cpu_count

    @property
    def lanes(self) -> int:
        """Return how many trials may be under way: one on each board, and one that is built."""
        looked_at = [board.found for board in self._usable if board.found is not None]
        is_here = any(found.boot_id == boot_id() for found in looked_at)
        return 1 if is_here else len(self._usable) + 1

    @property
    def boards(self) -> tuple[str, ...]:
        """Return the names of those in use, where there were several to begin with."""
        return tuple(board.name for board in self._usable) if self._are_several else ()

    @property
    def board(self) -> str | None:
        """Return the name of the board that this thread holds, of several."""
        board = self._held.board
        return board.name if board is not None and self._are_several else None

    def restrict(self, limits: Limits) -> None:
        """Set what one job may take, on each board."""
        super().restrict(limits)
        for board in self._usable:
            board.restrict(limits)

    def fingerprint(self) -> str:
        """Return a hash of what compiled artifacts depend on, once the boards were looked at."""
        return self._first.fingerprint()

    def _survey(self, meter: str | None, program: Sequence[str]) -> Survey:
        """Look at all of them, and make sure that one is like another.

        Raises:
            DeviceLost: If one can't be reached or isn't like the first.
        """
        first, *others = (board.look(meter, program) for board in self._usable)
        for board, found in zip(self._usable[1:], others, strict=True):
            if _kind(found) != _kind(first):
                raise DeviceLost(
                    f"{board.name} must be the same as {self._first.name}, but "
                    f"{_difference(first, found)}. Search on boards of one kind, set up alike."
                )
        return first

    def run(self, job: dict[str, Any]) -> Message:
        """Run one job on the board that this thread holds, or on one that is free."""
        if self._first.runs_here(job):
            return self._first.run(job)
        with self._one() as board:
            return board.run(job)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold a board and its lock, so that nothing else of ours runs there.

        Raises:
            DeviceLost: If it went away, or none is left.
        """
        with self._one() as board, board.quiet():
            yield

    @contextmanager
    def staying_on(self, board: str | None = None) -> Iterator[None]:
        """Do all that this thread does meanwhile on one board: the one named, or any.

        Raises:
            DeviceLost: If none is left.
        """
        self._held.board, self._held.keeps = self._take(board), True
        try:
            yield
        finally:
            self._held.keeps = False
            self._free_board()

    def reopen(self) -> None:
        """Start the board that this thread lost anew, and free it if it is there as it was.

        Raises:
            EvaluationFailure: If it isn't.
        """
        if self._held.board is not None:
            self._held.board.reopen()
            self._free_board()

    def leave_out(self, board: str | None) -> bool:
        """Use a board no more, and say whether another one is left.

        It is free, or held by this thread; where this thread stays on it, it gets another.
        """
        with self._freed:
            gone = [each for each in self._usable if each.name == board]
            self._usable = [each for each in self._usable if each not in gone]
            self._free = [each for each in self._free if each not in gone]
            self._freed.notify_all()
        for each in gone:
            each.close()
        held = self._held
        if held.board in gone:
            held.board = self._take(None) if held.keeps and self._usable else None
        return self._are_several and bool(self._usable)

    def command(self, program: Sequence[str]) -> None:
        """Run a program on the board that this thread holds."""
        if self._held.board is not None:
            self._held.board.command(program)

    def hang_up(self) -> None:
        """Close the way to the board that this thread lost."""
        if self._held.board is not None:
            self._held.board.close()

    def close(self) -> None:
        """Close the way to all of them."""
        for board in self._usable:
            board.close()

    @contextmanager
    def _one(self) -> Iterator[SshDevice]:
        """Have a board: the one that this thread holds, else the first that is free.

        One that is lost meanwhile isn't freed.
        """
        if self._held.board is not None:
            yield self._held.board
            return
        board, is_lost = self._take(None), False
        self._held.board = board
        try:
            yield board
        except DeviceLost:
            is_lost = True
            raise
        finally:
            if not is_lost:
                self._free_board()

    def _pass_on(self, text: str) -> None:
        self.say(text)

    def _take(self, name: str | None) -> SshDevice:
        with self._freed:
            while True:
                fit = [board for board in self._free if name in (None, board.name)]
                if fit:
                    self._free.remove(fit[0])
                    return fit[0]
                if not any(name in (None, board.name) for board in self._usable):
                    raise DeviceLost(f"no board of {self.name} is left.")
                self._freed.wait()

    def _free_board(self) -> None:
        """Free the board that this thread holds, unless it stays on it."""
        board = self._held.board
        if board is None or self._held.keeps:
            return
        self._held.board = None
        with self._freed:
            if board in self._usable:
                self._free.append(board)
            self._freed.notify_all()


def _kind(found: Survey) -> tuple[object, ...]:
    """Return what boards of one kind have in common: what one compiled, another measures."""
    accelerators = {name: engine.accelerator for name, engine in found.engines.items()}
    return found.fingerprint, accelerators


def _difference(first: Survey, other: Survey) -> str:
    """Say in words what tells two boards apart."""
    for name in ("machine", "cpu_model", "cpu_count", "python"):
        here, there = first.environment.get(name), other.environment.get(name)
        if here != there:
            return f"its {name} is {there} and not {here}"
    for name, engine in first.engines.items():
        there = other.engines[name]
        if (engine.distribution, engine.version) != (there.distribution, there.version):
            return f"it has {_package(name, there)} and not {_package(name, engine)}"
        if engine.accelerator != there.accelerator:
            return f"its {name} has {there.accelerator} and not {engine.accelerator}"
    return "its processor or system is another"


def _package(name: str, engine: EngineFound) -> str:
    return f"{engine.distribution or name} {engine.version}"
