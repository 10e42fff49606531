"""What can go wrong with one candidate, as types that cross a process boundary as JSON.

Five kinds matter to the study, because each ends differently:

``CandidateRejected``  the same candidate would fail again: an op the engine lacks, a model that a
                       converter refuses. Told PRUNED with a positive constraint, and remembered.
``CandidateAborted``   it was cut short: too slow, out of memory, a crash; or the machine lacks what
                       it needs. Told PRUNED too, but not remembered: with other limits, less else
                       on the machine, or a library more, it may end well.
``DeviceLost``         nothing is known about the candidate: a cut link, a vanished accelerator.
                       Retried, then FAIL.
``InputError``         the person's own file is wrong: the run stops with a message, exit code 2.
``DiskFull``           nothing is known about the candidate, and none can be built until there is
                       space: the run stops in the same way.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import errno
from typing import Dict, Optional, Type


class EvaluationFailure(Exception):
    """A stage that didn't produce its result; ``reason`` is one line a person can act on.

    Args:
        reason: Rule, value and remedy in one line.
        stage: Name of the stage that failed, filled in where the stage is known.
    """

    kind = "failure"

    def __init__(self, reason: str, stage: Optional[str] = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stage = stage

    def to_json(self) -> Dict[str, Optional[str]]:
        """Return the failure as plain data; `failure_from_json` is its inverse."""
        return {"kind": self.kind, "reason": self.reason, "stage": self.stage}


class CandidateRejected(EvaluationFailure):
    """This candidate can't be built or run, and trying again would end the same way."""

    kind = "rejected"


class CandidateAborted(CandidateRejected):
    """This candidate was cut short, which load, limits and what is installed have a share in."""

    kind = "aborted"


class DeviceLost(EvaluationFailure):
    """The device or the link to it went away; the candidate itself may be fine."""

    kind = "device_lost"


class InputError(EvaluationFailure):
    """A file the person gave is wrong: a workload, a model or its data."""

    kind = "input"


class DiskFull(EvaluationFailure):
    """A disk or a quota of this machine is used up, which is no candidate's fault."""

    kind = "disk_full"


_KINDS: Dict[str, Type[EvaluationFailure]] = {
    kind.kind: kind
    for kind in (CandidateRejected, CandidateAborted, DeviceLost, InputError, DiskFull)
}


def says_disk_full(error: BaseException) -> bool:
    """Say whether this is the operating system's answer where a disk or a quota is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def failure_from_json(data: Dict[str, Optional[str]]) -> EvaluationFailure:
    """Rebuild a failure that a child process sent."""
    kind = _KINDS.get(str(data.get("kind")), CandidateRejected)
    return kind(str(data.get("reason")), data.get("stage"))
