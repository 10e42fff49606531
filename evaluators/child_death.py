"""How a child process ended, from its exit status and its last words.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import os
import signal
from typing import IO

from evaluators.failures import CandidateAborted

_STDERR_TAIL_BYTES = 8192
_MEMORY_SIGNS = ("bad_alloc", "MemoryError", "allocate memory")


def death_of(exit_code: int, words: str, memory_bytes: int) -> CandidateAborted:
    """Return why a child that gave no answer ended.

    Args:
        exit_code: Negative for a signal, as `subprocess` has it.
        words: The end of what it printed to standard error.
        memory_bytes: Its limit of private memory.
    """
    if any(sign in words for sign in _MEMORY_SIGNS):
        limit = "the limit is {:.0f} MiB".format(memory_bytes / 2**20)
        return CandidateAborted("out of memory: {}.".format(limit))
    if exit_code == -signal.SIGKILL:
        return CandidateAborted("killed by the kernel, most likely for memory (SIGKILL).")
    if exit_code < 0:
        return CandidateAborted("crashed with {}.".format(signal.Signals(-exit_code).name))
    last = words.strip().splitlines()[-1] if words.strip() else "no message"
    return CandidateAborted("ended with exit code {}: {}".format(exit_code, last[:300]))


def too_slow(limit_s: float) -> CandidateAborted:
    """Return why a child was killed that hadn't answered in time."""
    return CandidateAborted(
        "took longer than {:g} s. Raise limits.stage_timeout if it needs more.".format(limit_s)
    )


def last_words(stderr: IO[bytes]) -> str:
    """Return the end of what a child printed into a file."""
    size = os.fstat(stderr.fileno()).st_size
    start = max(0, size - _STDERR_TAIL_BYTES)
    return os.pread(stderr.fileno(), _STDERR_TAIL_BYTES, start).decode(errors="replace")
