"""The child's half of a conversation: read a request, answer it, until the parent hangs up.

This is the one place where any exception becomes a typed failure: a request comes from outside and
runs a person's code and other people's compilers, and the parent has to hear what happened.

This file runs on the device too: Python 3.7, standard library and NumPy only.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import traceback
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Tuple

import numpy as np

from evaluators.failures import (
    CandidateAborted,
    CandidateRejected,
    DiskFull,
    EvaluationFailure,
    says_disk_full,
)
from evaluators.frames import MEMORY_LIMIT_VARIABLE, PARENT_VARIABLE
from evaluators.framing import Message, encode_message, read_message

Answer = Tuple[Dict[str, Any], List[np.ndarray]]
Handler = Callable[[Message], Answer]

_PR_SET_PDEATHSIG = 1
_MEMORY_SIGNS = ("allocate memory", "bad_alloc", "failed to allocate", "out of memory")


def serve(handle: Handler) -> None:
    """Answer requests on standard input until it ends.

    Standard output carries messages only: whatever a library prints there goes to standard error.
    """
    requests, answers = _take_over_standard_streams()
    _die_with_the_parent()
    _limit_memory()
    while True:
        try:
            message = read_message(lambda size: _read_exactly(requests, size))
        except EOFError:
            return
        body, arrays = _answer(handle, message)
        answers.write(encode_message(body, arrays))
        answers.flush()


def _answer(handle: Handler, message: Message) -> Answer:
    try:
        body, arrays = handle(message)
    except EvaluationFailure as failure:
        return {"failure": _as_it_is(failure).to_json()}, []
    except MemoryError:
        return {"failure": CandidateAborted(_out_of_memory()).to_json()}, []
    except Exception as error:  # noqa: BLE001  the boundary: see the module docstring
        if says_disk_full(error):  # and then there is no room for a traceback either
            return {"failure": DiskFull(_disk_full(error)).to_json()}, []
        traceback.print_exc()
        return {"failure": _failure(error).to_json()}, []
    return {"result": body}, arrays


def _disk_full(error: BaseException) -> str:
    filename = getattr(error, "filename", None)
    where = "" if filename is None else " ({})".format(filename)
    return "a disk of this machine is full{}. Free space there.".format(where)


def _failure(error: BaseException) -> CandidateRejected:
    """Blame a tool for what it raised, and the machine for what the system calls raised."""
    text = " ".join(str(error).split()) or "no message"
    if _is_about_memory(text):
        return CandidateAborted(_out_of_memory())
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = "{}:{}".format(os.path.basename(frame.filename), frame.lineno)
    reason = "{}: {} (at {})".format(type(error).__name__, text[:400], where)
    return CandidateAborted(reason) if isinstance(error, OSError) else CandidateRejected(reason)


def _as_it_is(failure: EvaluationFailure) -> EvaluationFailure:
    """Return a failure; a tool that complains of memory hasn't refused the candidate."""
    if failure.kind == CandidateRejected.kind and _is_about_memory(failure.reason):
        return CandidateAborted(failure.reason, failure.stage)
    return failure


def _is_about_memory(text: str) -> bool:
    return any(sign in text.lower() for sign in _MEMORY_SIGNS)


def _out_of_memory() -> str:
    return (
        "out of memory: the limit is {:.0f} MiB. Raise limits.memory, or shrink the model.".format(
            int(os.environ.get(MEMORY_LIMIT_VARIABLE, "0")) / 2**20
        )
    )


def _take_over_standard_streams() -> Tuple[BinaryIO, BinaryIO]:
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout = sys.stderr
    return requests, answers


def _die_with_the_parent() -> None:
    """Ask the kernel to kill this process when its parent dies, however it dies."""
    parent: Optional[str] = os.environ.get(PARENT_VARIABLE)
    if not sys.platform.startswith("linux") or parent is None:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def _limit_memory() -> None:
    """Limit private writable memory, which is what a runaway allocation takes.

    Address space isn't limited: runtimes reserve far more of it than they ever touch.
    """
    limit = int(os.environ.get(MEMORY_LIMIT_VARIABLE, "0"))
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the parent hung up")
    return data
