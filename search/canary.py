"""The canary: the baseline's artifact, timed again between trials at a set interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from evaluators.built import Measured
from evaluators.failures import EvaluationFailure
from evaluators.measurement import is_timed
from search import study_attributes
from search.budget import Budget
from search.drift import LIMIT, CanaryReading, is_drift
from search.events import CanaryRead, Notice
from search.front import pareto_front
from search.records import NumberedRecord
from search.state import StudyState

WATCHED = "latency_p50_s"
"""The median: it moves when the machine does, and least when a single query is held up."""


@dataclass(slots=True)
class Canary:
    """Times the baseline again and compares it with what it was at the beginning.

    Attributes:
        budget: Repeats stop where its time is up.
        now_s: Seconds since the epoch.
    """

    state: StudyState
    budget: Budget
    now_s: Callable[[], float] = time.time
    _reference_s: float | None = field(init=False)
    _due_s: float = field(init=False)
    _unpaired: Measured | None = None

    def __post_init__(self) -> None:
        baseline = self.state.usable_baseline
        watched = baseline.quantities.get(WATCHED) if baseline and not baseline.flags else None
        # A baseline that was disturbed is no reference: the first quiet reading is.
        self._reference_s = None if watched is None else watched.value
        # A session that goes on with a run doesn't know what the machine is like by now.
        self._due_s = self.now_s() + (0.0 if self.state.trials else self._interval_s)

    @property
    def is_due(self) -> bool:
        """Say whether the interval has passed since the last reading; an estimate isn't read."""
        baseline = self.state.usable_baseline
        if baseline is None or not is_timed(baseline.quantities):
            return False
        return self.now_s() >= self._due_s

    @property
    def _interval_s(self) -> float:
        return self.state.plan.space.measuring.canary_interval_s

    def compare_boards(self) -> None:
        """Leave boards out that aren't as fast as the one that the baseline was measured on.

        Numbers of boards that differ don't compare, and none is scaled into another's.
        """
        state, baseline = self.state, self.state.usable_baseline
        boards = state.evaluator.boards
        if len(boards) == 1 or baseline is None or not is_timed(baseline.quantities):
            return
        first = baseline.board if baseline.board in boards else boards[0]
        for board in boards:
            reason = None if board == first else self._difference(board, first)
            if reason is not None:
                state.evaluator.leave_out(board)
                text = (
                    f"{board} is left out: {reason}. Numbers of boards that differ don't compare."
                )
                state.observe(Notice(text))

    def _difference(self, board: str | None, first: str | None) -> str | None:
        """Say what tells a board from the first; what is seen once may be the one process."""
        ratios = []
        for _ in range(2):
            there, here = (self._median_s(each) for each in (board, first))
            if there is None or here is None:
                return f"the baseline can't be timed there and on {first}"
            ratios.append(there / here)
            if abs(ratios[-1] - 1) <= LIMIT:
                return None
        ratio = min(ratios, key=lambda each: abs(each - 1))
        return f"the baseline takes {ratio:.2f} of the time there that it takes on {first}"

    def _median_s(self, board: str | None) -> float | None:
        measured = self._measure(board)
        return None if measured is None else measured.quantities[WATCHED].value

    def watch(self) -> None:
        """Read once; where the machine is itself again, repeat the front's marked members."""
        self._due_s = self.now_s() + self._interval_s
        state = self.state
        found = [self.read(len(state.trials), board) for board in state.evaluator.boards]
        readings = [reading for reading in found if reading is not None]
        if not readings:
            return
        for reading in readings:
            study_attributes.keep_reading(state.study, reading)
            state.observe(CanaryRead(reading))
        study_attributes.keep_spreads(state.study, state.evaluator.spreads)
        state.reread()
        if not any(reading.has_drifted for reading in readings):
            self._repeat_marked_members()

    def read(self, n_trials: int, board: str | None = None) -> CanaryReading | None:
        """Time the baseline; once more if it seems to have drifted, and the better one counts.

        A machine that has changed shows it in every process; one process that came to lie badly
        doesn't make a drift.

        Args:
            n_trials: How many trials have ended.
            board: Which of several boards.

        Returns:
            The reading, or None where the baseline can't be timed any more, or nothing is known
            to compare it with.
        """
        measured = self._measure(board)
        reading = self._reading(n_trials, measured)
        if reading is not None and reading.has_drifted:
            readings = (reading, self._reading(n_trials, self._measure(board)))
            known = [found for found in readings if found is not None]
            reading = min(known, key=lambda found: abs(found.ratio - 1))
        if measured is not None and reading is not None and not reading.has_drifted:
            self._learn(measured)
        return reading

    def _measure(self, board: str | None) -> Measured | None:
        state, evaluator = self.state, self.state.evaluator
        try:
            built = evaluator.build_again(state.plan.baseline, state.usable_baseline, "canary")
            with evaluator.staying_on(board):
                measured = evaluator.measure_again(built, "canary")
        except EvaluationFailure:
            return None
        # Where the board went away for good meanwhile, another one has taken over.
        return measured if measured.facts.get("board") == board else None

    def _reading(self, n_trials: int, measured: Measured | None) -> CanaryReading | None:
        value_s = None if measured is None else measured.quantities[WATCHED].value
        if measured is None or value_s is None:
            return None
        if self._reference_s is None:
            self._reference_s = None if measured.flags else value_s
            return None
        ratio = value_s / self._reference_s
        return CanaryReading(n_trials, ratio, self.now_s(), measured.facts.get("board"))

    def _learn(self, measured: Measured) -> None:
        """Learn from readings two by two: what lies further apart holds slow drift as well."""
        if self._unpaired is None:
            self._unpaired = measured
            return
        self.state.evaluator.learn([self._unpaired, measured])
        self._unpaired = None

    def _repeat_marked_members(self) -> None:
        """Measure the front's marked members again, and those that this brings onto the front."""
        tried: set[int] = set()
        while self.budget.has_time():
            untried = [member for member in self._marked_members() if member.number not in tried]
            if not untried:
                return
            self._repeat(untried[0])
            tried.add(untried[0].number)
            self.state.reread()

    def _marked_members(self) -> list[NumberedRecord]:
        front = pareto_front(self.state.snapshot())
        return [member for member in front if any(map(is_drift, member.record.flags))]

    def _repeat(self, trial: NumberedRecord) -> None:
        state, before = self.state, trial.record
        candidate = state.candidates[trial.number]
        record = state.evaluator.evaluate(candidate, f"trial {trial.number}, again")
        if record.failure is not None or record.artifact_sha256 != before.artifact_sha256:
            return
        again = replace(state.judged(record), **before.of_the_trial())
        study_attributes.keep_repeated(state.study, trial.number, again, len(state.trials))
