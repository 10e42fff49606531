"""When a run is over: enough finished trials, the time is up, or the person said stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from search.errors import UsageError
from spaces.quantities import duration_s

LARGEST_RESERVE = 0.4
LONG_TRIAL = 0.9
"""The share of trials that are shorter than what is called a long one."""


@dataclass(slots=True)
class Budget:
    """What is left to spend.

    Attributes:
        trials: Total of COMPLETE and PRUNED trials of the study, over all its sessions.
        timeout_s: Seconds for this session; None for no limit.
        should_stop: Asked before every trial; True makes those under way the last.
        clock: Monotonic seconds.
        lanes: How many trials are under way at once.
    """

    trials: int
    timeout_s: float | None
    should_stop: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    lanes: int = 1
    started_s: float = field(init=False)
    _durations_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started_s = self.clock()

    def add_trial(self, seconds: float) -> None:
        """Learn how long trials take."""
        self._durations_s.append(seconds)

    def elapsed_s(self) -> float:
        """Return seconds since this session began."""
        return self.clock() - self.started_s

    def time_left_s(self) -> float | None:
        """Return seconds left, or None without a limit."""
        return None if self.timeout_s is None else self.timeout_s - self.elapsed_s()

    def expected_left_s(self, finished: int, reserve_s: float = 0.0) -> float | None:
        """Return how long the rest should take, or None before anything is known.

        Args:
            finished: Trials that are done.
            reserve_s: Seconds for what comes after the last trial.
        """
        left = self.time_left_s()
        if not self._durations_s:
            return left
        rounds_left = max(0, self.trials - finished) / self.lanes
        by_trials = rounds_left * median(self._durations_s) + reserve_s
        return by_trials if left is None else min(left, by_trials)

    def has_time(self, seconds: float = 0.0) -> bool:
        """Say whether so much time is left, and nobody said stop."""
        left = self.time_left_s()
        return not self.should_stop() and (left is None or left > seconds)

    def allows(self, finished: int, reserve_s: float = 0.0) -> bool:
        """Say whether one more trial fits: in number, and in time.

        A trial is taken to be as long as the usual one; where time is kept back, as a long one, so
        that what comes after it isn't cut.

        Args:
            finished: Trials that are done.
            reserve_s: Seconds to keep back for what comes after the last trial; never more than
                `LARGEST_RESERVE` of the session.
        """
        if self.should_stop() or finished >= self.trials:
            return False
        left = self.time_left_s()
        if left is None or self.timeout_s is None:
            return True
        lengths_s = sorted(self._durations_s) or [0.0]
        fitting_s = lengths_s[int(LONG_TRIAL * len(lengths_s))] if reserve_s else median(lengths_s)
        return left - min(reserve_s, LARGEST_RESERVE * self.timeout_s) > fitting_s


def seconds_until(clock_time: str, now: datetime) -> float:
    """Return the seconds from ``now`` to the next HH:MM.

    Raises:
        UsageError: If it isn't a time of day.
    """
    try:
        then = datetime.strptime(clock_time, "%H:%M").replace(tzinfo=now.tzinfo)
    except ValueError:
        raise UsageError(
            f"--until must be a time of day, but got {clock_time!r}. Write it as HH:MM, e.g. 07:00."
        ) from None
    target = now.replace(hour=then.hour, minute=then.minute, second=0, microsecond=0)
    if target <= now:
        target += timedelta(days=1)
    return (target - now).total_seconds()


def session_s(timeout: str | float | None, until: str | None) -> float | None:
    """Return the seconds of a session: the shorter of two limits, None without any.

    Args:
        timeout: ``90s``, ``5m``, ``1h30m``, or seconds.
        until: A time of day, HH:MM.

    Raises:
        UsageError: If one of them can't be read.
    """
    limits_s = []
    if timeout is not None:
        try:
            limits_s.append(duration_s(timeout))
        except ValueError as error:
            raise UsageError(f"--timeout {error}, but got {timeout!r}.") from error
    if until is not None:
        limits_s.append(seconds_until(until, datetime.now().astimezone()))
    return min(limits_s, default=None)
