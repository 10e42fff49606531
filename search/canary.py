"""The canary: the baseline's artifact, timed again between trials at a set interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from evaluators.bench import Measured
from evaluators.candidate import Candidate
from evaluators.failures import EvaluationFailure
from search.drift import CanaryReading
from search.evaluation import Evaluator

WATCHED = "latency_p50_s"
"""The median: it moves when the machine does, and least when a single query is held up."""


@dataclass(slots=True)
class Canary:
    """Times the baseline again and compares it with what it was at the beginning.

    Attributes:
        reference_s: The baseline's median latency at the beginning of the run.
        interval_s: Least seconds between two readings.
        now_s: Seconds since the epoch.
    """

    evaluator: Evaluator
    baseline: Candidate
    reference_s: float
    interval_s: float
    now_s: Callable[[], float] = time.time
    _due_s: float = field(init=False)
    _quiet: list[Measured] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._due_s = self.now_s() + self.interval_s

    @property
    def is_due(self) -> bool:
        """Say whether the interval has passed since the last reading."""
        return self.now_s() >= self._due_s

    def read(self, n_trials: int) -> CanaryReading | None:
        """Time the baseline; once more if it seems to have drifted, and the better one counts.

        A machine that has changed shows it in every process; one process that came to lie badly
        doesn't make a drift.

        Args:
            n_trials: How many trials have ended.

        Returns:
            The reading, or None where the baseline can't be timed any more.
        """
        self._due_s = self.now_s() + self.interval_s
        reading = self._read_once(n_trials)
        if reading is None or not reading.has_drifted:
            return reading
        again = self._read_once(n_trials)
        known = [found for found in (reading, again) if found is not None]
        return min(known, key=lambda found: abs(found.ratio - 1))

    def _read_once(self, n_trials: int) -> CanaryReading | None:
        try:
            built = self.evaluator.build(self.baseline, "canary")
            measured = self.evaluator.measure_again(built, "canary")
        except EvaluationFailure:
            return None
        value_s = measured.quantities[WATCHED].value
        return None if value_s is None else self._reading(n_trials, value_s, measured)

    def _reading(self, n_trials: int, value_s: float, measured: Measured) -> CanaryReading:
        reading = CanaryReading(n_trials, value_s / self.reference_s, self.now_s())
        if not reading.has_drifted:
            self._quiet.append(measured)
            # Only neighbours are compared: what lies further apart holds slow drift as well.
            self.evaluator.learn(self._quiet[-2:])
        return reading
