"""A mode held while something is measured, by a guardian that outlives whoever measures.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, Optional

import evaluators
from evaluators.failures import CandidateAborted, EvaluationFailure, failure_from_json
from evaluators.power_modes import guardian as guardian_module
from evaluators.power_modes.change import mode_now, put_back_what_was_left
from evaluators.power_modes.setting import Place

SETTLE_S = 1.0
"""After each change, before anything is loaded or timed. A governor looks at the load every few
milliseconds, but CPUs that come and go, and voltages, take longer."""
_START = (
    "import runpy, sys; sys.path[0] = sys.argv.pop(1); "
    "runpy.run_module({!r}, run_name='__main__')".format(guardian_module.__name__)
)


class HeldMode:
    """A mode that is in force, or None for the machine as it is.

    Attributes:
        before: The mode that was, in the same settings; None where it has no name.
    """

    def __init__(self, mode: Optional[str], before: Optional[str], place: Place) -> None:
        self.mode = mode
        self.before = before
        self._place = place

    def tell(self, body: Dict[str, Any]) -> None:
        """Write into a measurement what was in force; a mode that didn't stay disturbed it."""
        body["power_mode"] = None
        if self.mode is None:
            return
        body["power_mode"] = {"mode": self.mode, "before": self.before}
        now = mode_now(self.mode, self._place)
        if now != self.mode:
            disturbance = body["disturbance"]
            text = "the power mode {} became {} while it was measured".format(
                self.mode, now or "one without a name"
            )
            disturbance["reasons"] = [*disturbance["reasons"], text]
            disturbance["severity"] += 1.0


@contextlib.contextmanager
def held_mode(mode: Optional[str], place: Optional[Place] = None) -> Iterator[HeldMode]:
    """Hold a mode, or none; what a killed run has left is put back first.

    Args:
        mode: What to set; None leaves the machine as it is.
        place: Where things are; tests pass fake ones.

    Raises:
        CandidateRejected: If it can't be set.
        DeviceLost: If what was in force can't be put back.
    """
    place = place or Place()
    if os.path.lexists(place.memory):  # nearly never
        put_back_what_was_left(place)
        time.sleep(SETTLE_S)
    if mode is None:
        yield HeldMode(None, None, place)
        return
    guardian = _start()
    try:
        change = _asked(guardian, {"mode": mode, "place": place._asdict()})
        if change["is_change"]:
            time.sleep(SETTLE_S)
        yield HeldMode(mode, change["before"], place)
    finally:
        failure = _let_go(guardian)
    if failure is not None:
        raise failure
    put_back_what_was_left(place)  # where the guardian was killed
    if change["is_change"]:
        time.sleep(SETTLE_S)  # for whoever measures next


def _start() -> subprocess.Popen:
    root = os.path.dirname(os.path.dirname(os.path.abspath(evaluators.__file__)))
    return subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-c", _START, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it may outlive whoever reads it
        start_new_session=True,
    )


def _asked(guardian: subprocess.Popen, request: Dict[str, Any]) -> Dict[str, Any]:
    assert guardian.stdin is not None
    assert guardian.stdout is not None
    guardian.stdin.write(json.dumps(request).encode() + b"\n")
    guardian.stdin.flush()
    return _heard(guardian.stdout.readline())


def _heard(line: bytes) -> Dict[str, Any]:
    if not line:
        raise CandidateAborted("the guardian of the power mode was killed.")
    body: Dict[str, Any] = json.loads(line.decode())
    if body["failure"] is not None:
        raise failure_from_json(body["failure"])
    return body


def _let_go(guardian: subprocess.Popen) -> Optional[EvaluationFailure]:
    """Hang up, wait until all is put back, and return why it isn't, or None."""
    assert guardian.stdin is not None
    assert guardian.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        guardian.stdin.close()
    last = guardian.stdout.read()
    guardian.stdout.close()
    guardian.wait()
    failure = json.loads(last.decode())["failure"] if last else None
    return None if failure is None else failure_from_json(failure)
