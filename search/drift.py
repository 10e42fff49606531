"""Whether the machine has changed during a run, from the baseline timed again between trials.

A trial is trusted if the baseline was as fast as at the beginning both before and after it::

    readings     1.00      1.01      1.09      1.08      1.01
    trials        0 1 2 3 | 4 5 6 7 | 8 9 ... | ....... | ...
                  trusted   marked    marked    marked    trusted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIMIT = 0.05
"""Relative change of the baseline's median latency from which a stretch is marked."""

_DRIFT = "drift: "


@dataclass(frozen=True, slots=True)
class CanaryReading:
    """The baseline, timed again between two trials.

    Attributes:
        trials: How many trials had ended by then.
        ratio: Its median latency over that at the beginning; 1.08 is 8 % slower.
        at_s: Seconds since the epoch.
        board: Which of several boards it was timed on; None where there is one machine.
    """

    trials: int
    ratio: float
    at_s: float
    board: str | None = None

    @property
    def has_drifted(self) -> bool:
        """Say whether the machine isn't what it was at the beginning."""
        return abs(self.ratio - 1) > LIMIT


@dataclass(frozen=True, slots=True)
class Stretch:
    """Trials by position, ``start`` to before ``stop``, while the machine was another."""

    start: int
    stop: int
    ratio: float

    @property
    def flag(self) -> str:
        """Return the mark of every trial in it, in words."""
        way = "slower" if self.ratio > 1 else "faster"
        return f"{_DRIFT}the baseline was {abs(self.ratio - 1):.0%} {way} just then"


def drifted_stretches(readings: Sequence[CanaryReading], n_trials: int) -> list[Stretch]:
    """Return the stretches between two readings of which one or both had drifted, oldest first.

    Args:
        readings: Oldest first; before the first one the machine counts as it was.
        n_trials: How many trials have ended; the last stretch ends there.
    """
    start = CanaryReading(0, 1.0, 0.0)
    last = readings[-1] if readings else start
    now = CanaryReading(n_trials, last.ratio, last.at_s)
    found = []
    for before, after in zip([start, *readings], [*readings, now], strict=True):
        worse = max(before, after, key=lambda reading: abs(reading.ratio - 1))
        if worse.has_drifted and after.trials > before.trials:
            found.append(Stretch(before.trials, after.trials, worse.ratio))
    return found


def is_drift(flag: str) -> bool:
    """Say whether a record's flag is that of a drifted stretch."""
    return flag.startswith(_DRIFT)
