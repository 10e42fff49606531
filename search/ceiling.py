"""The ceiling: what the engines of a front can reach, measured once a run, after everything else.

Then no trial waits for it, the pairs of engine and precision that matter are known, and what the
machine is like is what it was when the front was confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.candidate import Candidate
from evaluators.failures import EvaluationFailure
from evaluators.measurement import unavailable
from evaluators.peak import Peak
from evaluators.peak_meter import PeakMeter
from search import study_attributes
from search.budget import Budget
from search.plan import untouched
from search.reached import reached
from search.state import StudyState
from search.study_attributes import run_of_study

_FIRST_S = 8.0
"""What the first takes, which has to build the net. The next should take as long as the last."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Measures the peaks of a study, and keeps them in it."""

    state: StudyState
    budget: Budget

    def measure(self) -> None:
        """Measure each peak that the front lacks, as far as there is time."""
        state = self.state
        evaluator = state.evaluator
        meter = PeakMeter(evaluator.pipeline, evaluator.bench)
        needed_s = _FIRST_S
        for found in reached(run_of_study(state.study)):
            if found.peak.macs_per_s.value is not None or not self.budget.has_time(needed_s):
                continue
            started_s = self.budget.clock()
            study_attributes.keep_peak(state.study, self._measured(meter, found.peak))
            needed_s = self.budget.clock() - started_s

    def _measured(self, meter: PeakMeter, missing: Peak) -> Peak:
        engine, precision = missing.engine, missing.precision
        candidate = self._candidate(engine, precision)
        clock = self.state.evaluator.clock(f"the ceiling of {engine} {precision}")
        try:
            return self.state.evaluator.retries.run(lambda: meter.measure(candidate, clock))
        except EvaluationFailure as failure:
            return Peak(engine, precision, unavailable("1/s", failure.reason))

    def _candidate(self, engine: str, precision: str) -> Candidate:
        """Return the engine's defaults at a precision, on hardware as the baseline's is."""
        plan = self.state.plan
        return untouched(plan.parameters.engines[engine], plan.baseline.power_mode, precision)
