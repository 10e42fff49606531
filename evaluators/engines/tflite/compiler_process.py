"""Another vendor's compiler, run with a time limit; what it forks ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import List, Tuple

from evaluators.failures import CandidateAborted


def run_compiler(name: str, command: List[str], timeout_s: float) -> Tuple[int, str]:
    """Run a compiler, and return its exit code, minus the signal that ended it, and its output.

    Raises:
        CandidateAborted: If it gives no answer in time.
    """
    with subprocess.Popen(  # noqa: S603 -- an installed compiler, with files of ours
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise CandidateAborted(
                "{} must answer within {:g} s, but gave no answer. "
                "Try a smaller model or another input size.".format(name, timeout_s)
            ) from error
        finally:
            _end_group(process.pid)
    return process.returncode, printed.decode("utf-8", "replace")


def _end_group(leader: int) -> None:
    """End the compiler and what it forked, however it was left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
