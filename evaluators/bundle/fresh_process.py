"""A measuring process of a bundle: a fresh one a job, from the modules that ship along.

Where the program is installed, its own device does this, with a limit of memory.
"""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

from evaluators.board.job import Limits, run_worker
from evaluators.device_lock import DeviceLock, wait_for_lock
from evaluators.failures import failure_from_json
from evaluators.framing import Message, message_of

TIME_LIMIT_S = 600.0


def run_fresh(folder: Path, job: Dict[str, Any], limit_s: float = TIME_LIMIT_S) -> Message:
    """Run one job of the worker in a process of its own and wait without waking.

    Args:
        folder: Where the package ``evaluators`` lies.
        job: See `evaluators.benchmark.worker`.
        limit_s: Then it is killed.

    Raises:
        EvaluationFailure: What the worker reported, or how it ended.
    """
    link, end = os.pipe()  # nobody hangs up
    try:
        frame = run_worker(job, Limits(limit_s, 0), link, str(folder))
    finally:
        os.close(link)
        os.close(end)
    if "failure" in frame.body:
        raise failure_from_json(frame.body["failure"])
    return message_of(frame._replace(body=frame.body["result"]))


@contextlib.contextmanager
def machine_to_itself(say: Callable[[str], None]) -> Iterator[None]:
    """Hold the machine's lock, so that no other measurement of ours runs on it meanwhile.

    Args:
        say: Told once where it has to wait.
    """
    lock = DeviceLock()
    me = {"pid": os.getpid(), "host": platform.node()}
    text = "This machine is in use by process {}: waiting for it."
    wait_for_lock(
        lambda: lock.try_to_take(me), lambda holder: say(text.format(holder.get("pid", "?")))
    )
    try:
        yield
    finally:
        lock.release()
