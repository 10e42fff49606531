"""One job on a board: a fresh measuring process, with its limits, for as long as the link holds.

The agent sleeps until the worker answers, the time is up or the host hangs up; in the last two
cases it kills the worker with everything it started.

This file runs on the device: Python 3.7, standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, Any, Dict, List, NamedTuple

from evaluators.child_death import death_of, last_words, too_slow
from evaluators.failures import CandidateAborted
from evaluators.frames import (
    MEMORY_LIMIT_VARIABLE,
    PARENT_VARIABLE,
    BrokenMessage,
    Frame,
    encode_frame,
    read_frame,
)

# With -m, modules of these names in the board's home folder would come first.
_START = (
    "import runpy, sys; sys.path[0] = sys.argv.pop(1); "
    "runpy.run_module('evaluators.benchmark.worker', run_name='__main__')"
)


class Limits(NamedTuple):
    """What a job may take: seconds, and bytes of private memory, 0 for no limit."""

    seconds: float
    memory_bytes: int


class HungUp(Exception):
    """The host's end of the link is closed."""


def run_worker(job: Dict[str, Any], limits: Limits, host: int, archive: str) -> Frame:
    """Run one job in a process of its own.

    Args:
        job: As `evaluators.benchmark.worker` takes it.
        limits: Time and memory.
        host: Descriptor of the link; anything on it during a job means that the host is gone.
        archive: Where the modules are: the zipapp, or the folder above ``evaluators``.

    Returns:
        The worker's answer, its arrays not looked at.

    Raises:
        CandidateAborted: If it ended without an answer, or had to be ended.
        HungUp: If the host hung up.
    """
    with tempfile.TemporaryFile() as stderr:
        process = _start(limits, stderr, archive)
        try:
            return _answer(process, job, limits, host, stderr)
        finally:
            _end_group(process)


def _start(limits: Limits, stderr: IO[bytes], archive: str) -> subprocess.Popen:
    own = {PARENT_VARIABLE: str(os.getpid()), MEMORY_LIMIT_VARIABLE: str(limits.memory_bytes)}
    return subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-c", _START, archive],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        env=dict(os.environ, **own),
    )


def _answer(
    process: subprocess.Popen, job: Dict[str, Any], limits: Limits, host: int, stderr: IO[bytes]
) -> Frame:
    assert process.stdin is not None
    assert process.stdout is not None
    answers = process.stdout.fileno()
    deadline_s = time.monotonic() + limits.seconds
    try:
        process.stdin.write(encode_frame(job))
        process.stdin.flush()
        return read_frame(lambda size: _read_exactly(answers, size, deadline_s, host))
    except (EOFError, BrokenPipeError):
        code = process.wait()
        raise death_of(code, last_words(stderr), limits.memory_bytes) from None
    except BrokenMessage as error:
        raise CandidateAborted("the child process printed rubbish: {}".format(error)) from None
    except TimeoutError:
        raise too_slow(limits.seconds) from None


def _read_exactly(answers: int, size: int, deadline_s: float, host: int) -> bytes:
    parts: List[bytes] = []
    while size:
        left_s = deadline_s - time.monotonic()
        ready = select.select([answers, host], [], [], max(0.0, left_s))[0]
        if not ready:
            raise TimeoutError
        if host in ready:
            raise HungUp
        part = os.read(answers, min(size, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _end_group(process: subprocess.Popen) -> None:
    """End the worker and everything it started, however it was left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
