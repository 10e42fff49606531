"""The parent's half: a child that may crash, hang or eat memory without taking the study along.

::

    start -> request -> answer -> request -> ... -> close
                 |-> no answer in time   -> killed, CandidateAborted
                 |-> died by a signal    -> CandidateAborted naming it
                 |-> sent rubbish        -> killed, CandidateAborted
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, Self

from evaluators.child_death import death_of, last_words, too_slow
from evaluators.failures import CandidateAborted, failure_from_json
from evaluators.frames import MEMORY_LIMIT_VARIABLE, PARENT_VARIABLE, BrokenMessage
from evaluators.framing import Message, encode_message, read_message

_WAIT_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may take: seconds for one request, bytes of private memory."""

    stage_timeout_s: float
    memory_bytes: int


class ChildProcess:
    """One Python module run as a child in a process group of its own.

    The group of its own keeps Ctrl-C for the parent, and lets a kill reach the child's children.

    Args:
        module: A module whose ``__main__`` calls `evaluators.service.serve`.
        limits: Time and memory.
        env: Variables on top of the parent's.
    """

    def __init__(self, module: str, limits: Limits, env: dict[str, str] | None = None) -> None:
        self._limits = limits
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        own = {PARENT_VARIABLE: str(os.getpid()), MEMORY_LIMIT_VARIABLE: str(limits.memory_bytes)}
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            env={**os.environ, **(env or {}), **own},
        )

    @property
    def is_alive(self) -> bool:
        """Say whether the child still runs."""
        return self._process.poll() is None

    def request(
        self,
        body: dict[str, Any],
        arrays: Sequence[Any] = (),
        *,
        on_wait: Callable[[], None] | None = None,
    ) -> Message:
        """Send one request and sleep until its answer is here.

        Args:
            body: Plain JSON data.
            arrays: NumPy arrays sent along.
            on_wait: Called twice a second while waiting. None sleeps without waking, which is
                what a measurement needs.

        Raises:
            EvaluationFailure: What the child reported, or how it ended.
        """
        deadline = time.monotonic() + self._limits.stage_timeout_s
        try:
            self._send(encode_message(body, arrays))
            answer = read_message(lambda size: self._read_exactly(size, deadline, on_wait))
        except (EOFError, BrokenPipeError):
            raise self._death() from None
        except BrokenMessage as error:
            self.kill()
            raise CandidateAborted(f"the child process printed rubbish: {error}") from None
        except TimeoutError:
            self.kill()
            raise too_slow(self._limits.stage_timeout_s) from None
        if "failure" in answer.body:
            raise failure_from_json(answer.body["failure"])
        return Message(answer.body["result"], answer.arrays)

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def _read_exactly(
        self, size: int, deadline: float, on_wait: Callable[[], None] | None
    ) -> bytes:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        parts: list[bytes] = []
        while size:
            _wait_readable(fd, deadline, on_wait)
            part = os.read(fd, min(size, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _death(self) -> CandidateAborted:
        return death_of(self._process.wait(), self.stderr_tail(), self._limits.memory_bytes)

    def stderr_tail(self) -> str:
        """Return the end of what the child printed."""
        return last_words(self._stderr)

    def kill(self) -> None:
        """End the child and everything it started."""
        if self.is_alive:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """Kill the child if it still runs, and free its pipes."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                _close_quietly(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _wait_readable(fd: int, deadline: float, on_wait: Callable[[], None] | None) -> None:
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wait = left if on_wait is None else min(left, _WAIT_TICK_S)
        if select.select([fd], [], [], wait)[0]:
            return
        if on_wait is not None:
            on_wait()


def _close_quietly(stream: IO[bytes]) -> None:
    """Close a pipe whose other end may be gone, which makes flushing fail."""
    try:
        stream.close()
    except BrokenPipeError:
        return
