"""The guardian: sets a mode, waits until nobody needs it any more, and puts back what was in force.

A process of its own in a session of its own, so that what kills the measuring process, or its
parent, doesn't reach it. It reads one request, and says what came of it::

    {"mode": "governor:performance", "place": {...}}
    {"failure": null, "before": "governor:schedutil", "is_change": true}
       ... standard input ends, or a signal asks it to end ...
    {"failure": null}

Signals only end the waiting: setting and putting back go on to their end.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from typing import Any, Dict, Optional

from evaluators.failures import EvaluationFailure
from evaluators.power_modes.change import put_back, set_mode
from evaluators.power_modes.memory import Memory
from evaluators.power_modes.setting import Place


def main() -> None:
    """Guard one mode."""
    asked_to_end = _signals()
    request = json.loads(_read_line(0))
    place = Place(**request["place"])
    memory, failure = None, None
    try:
        memory = Memory.made(place.memory)
        change = set_mode(request["mode"], memory, place)
        _say(dict(change._asdict(), failure=None))
        _wait(asked_to_end)
    except EvaluationFailure as error:
        failure = error
    finally:
        if memory is not None:
            failure = _put_back(memory, place) or failure
    _say({"failure": None if failure is None else failure.to_json()})


def _signals() -> int:
    """Return a descriptor that can be read once a signal has asked this process to end."""
    readable, written = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: os.write(written, b"."))
    return readable


def _wait(asked_to_end: int) -> None:
    """Wait until who measures hangs up, or a signal comes."""
    while True:
        ready = select.select([0, asked_to_end], [], [])[0]
        if asked_to_end in ready or not os.read(0, 4096):
            return


def _put_back(memory: Memory, place: Place) -> Optional[EvaluationFailure]:
    try:
        put_back(memory, place)
    except EvaluationFailure as failure:
        return failure
    return None


def _say(body: Dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        os.write(1, json.dumps(body).encode() + b"\n")


def _read_line(fd: int) -> bytes:
    """Read a line byte by byte, so that nothing after it is taken."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(fd, 1)
        if not part:
            sys.exit(1)
        line += part
    return line


if __name__ == "__main__":
    main()
