"""Ask -> evaluate -> tell, until the budget is spent; interrupted at any moment, it goes on.

::

    baseline -> first trials -> chosen trials, the canary between them -> confirmation -> front
       ^                                  |
       '-- killed: the same command finishes what was told, repeats what wasn't

Where boards measure, several trials are under way at once, see `search.flights`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from evaluators.candidate import Candidate
from evaluators.failures import InputError
from search import feedback, study_attributes
from search.budget import Budget
from search.canary import Canary
from search.confirmer import Confirmer
from search.dashboard import Dashboard
from search.errors import UsageError
from search.events import BaselineMeasured, Notice, TrialFinished, TrialStarted, trial_label
from search.flights import Flight, Flights
from search.front import pareto_front
from search.gates import score_refusal
from search.policy.history import origin_of
from search.policy.policy import Policy
from search.records import NumberedRecord, TrialRecord
from search.recovery import settle_interrupted
from search.samplers import make_sampler
from search.state import StudyState
from search.study_attributes import run_of_study
from spaces.field_types import FEWEST_ROUNDS

_BEFORE_THE_DEVICE = ("compress", "distill", "export", "quantize", "compile")


@dataclass(slots=True)
class SearchLoop:
    """One session of a study.

    Attributes:
        dashboard: Shows the study in optuna-dashboard; None for one without a folder.
        sampler_of: Seed of the study, number of the trial -> the sampler that proposes it.
        flights: The trials under way.
        queued: How many wait in the study, as far as is known: the first ones, and others'.
    """

    state: StudyState
    budget: Budget
    dashboard: Dashboard | None = None
    sampler_of: Callable[[int, int], BaseSampler] = make_sampler
    flights: Flights = field(default_factory=Flights)
    policy: Policy = field(init=False)
    queued: int = 0
    marked_s: float = 0.0
    asked_s: float = 0.0

    def __post_init__(self) -> None:
        self.policy = Policy(self.state.plan.parameters, self.state.seed)

    def run(self) -> None:
        """Go on until the budget is spent, then confirm the front."""
        state = self.state
        self._settle()
        self._measure_baseline()
        self._enqueue_first_trials()
        self._count_queued()
        canary = Canary(state, self.budget)
        canary.compare_boards()
        confirmer = Confirmer(state, self.budget)
        rounds = state.plan.rounds
        before = len(state.trials)
        self._mark()
        try:
            self._search(canary, lambda: confirmer.reserve_s(rounds))
            if len(state.trials) > before and canary.is_due:
                canary.watch()  # otherwise nobody knows what the last trials met
        finally:
            self._settle()
        if rounds and not run_of_study(state.study).is_confirmed:
            confirmer.confirm(rounds)

    def confirm(self) -> None:
        """Confirm the front as it stands, again if it was before.

        Raises:
            UsageError: If there is nothing to confirm.
        """
        self._settle()
        if not pareto_front(self.state.snapshot()):
            raise UsageError(
                "confirm needs a front, but no trial of this run keeps every bound yet. Run it on, "
                "or see what is in the way with: python -m search front --run DIR --all"
            )
        rounds = self.state.plan.rounds or (FEWEST_ROUNDS if self.state.plan.is_timed else 1)
        Confirmer(self.state, self.budget).confirm(rounds)

    def _settle(self) -> None:
        settle_interrupted(self.state.study, self.state.plan)
        self.state.reread()

    def _search(self, canary: Canary, reserve_s: Callable[[], float]) -> None:
        """Keep as many trials under way as there are lanes, until the budget is spent."""
        while True:
            while self.flights.has_room and self._may_start(reserve_s()):
                if canary.is_due:
                    self._land_all(reserve_s)
                    canary.watch()
                    self._mark()
                    if not self._may_start(reserve_s()):
                        break
                # Even if the next reading is due again: an interval may be shorter than a reading.
                self._start(reserve_s)
            if not self.flights.candidates:
                return
            self._land(reserve_s())

    def _may_start(self, reserve_s: float) -> bool:
        under_way = len(self.flights.candidates)
        return self.budget.allows(self.state.finished + under_way, reserve_s)

    def _start(self, reserve_s: Callable[[], float]) -> None:
        state = self.state
        start = time.monotonic()
        trial, candidate, origin = self._ask()
        ask_s = time.monotonic() - start
        self.asked_s += ask_s
        while candidate in self.flights.candidates:  # to its samples this one's are added
            self._land(reserve_s())
        state.observe(TrialStarted(trial.number, dict(candidate.params())))
        same = self._same_as(candidate)
        flight = Flight(trial, candidate, origin, same, ask_s, start)
        self.flights.start(flight, self._evaluation(flight))

    def _land_all(self, reserve_s: Callable[[], float]) -> None:
        while self.flights.candidates:
            self._land(reserve_s())

    def _land(self, reserve_s: float) -> None:
        state = self.state
        landed = self.flights.land()
        flight, trial = landed.flight, landed.flight.trial
        record = replace(state.judged(landed.record), origin=flight.origin)
        record = self._with_costs(record, flight.ask_s, landed.waited_s)
        if self.dashboard is not None:
            self.dashboard.show(trial, record, state.plan.objectives)
        feedback.tell(state.study, trial, record, state.plan.objectives)
        numbered = NumberedRecord(trial.number, _state(record), record)
        state.add(numbered, flight.candidate)
        if record.failure is None:
            self._share_samples(flight.same, record)
        self.budget.add_trial(time.monotonic() - flight.started_s)
        finished, total = state.finished, self.budget.trials
        left_s = self.budget.expected_left_s(finished, reserve_s)
        state.observe(TrialFinished(numbered, state.snapshot(), finished, total, left_s))
        self._refuse_hopeless()

    def _ask(self) -> tuple[optuna.Trial, Candidate, dict[str, Any]]:
        """Return the next trial: a queued one, the policy's, or the sampler's; and its origin."""
        state, chosen = self.state, None
        under_way = self.flights.candidates
        if self.queued:
            self.queued -= 1
        else:
            chosen = self.policy.propose(state.snapshot(), state.candidates, under_way)
            state.study.enqueue_trial(chosen.fixed)
        state.study.sampler = self.sampler_of(state.seed, len(state.trials) + len(under_way))
        trial = state.study.ask()
        candidate = state.plan.parameters.ask(trial)
        if chosen is None:
            return trial, candidate, {}
        if chosen.fixed.items() <= trial.params.items():
            return trial, candidate, origin_of(chosen.proposal)
        self._count_queued()  # someone else's came first, and what was chosen waits
        return trial, candidate, {}

    def _count_queued(self) -> None:
        waiting = self.state.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        self.queued = len(waiting)

    def _evaluation(self, flight: Flight) -> Callable[[], TrialRecord]:
        """Return what measures a candidate; the first trial is the baseline, which just was."""
        state, candidate, number = self.state, flight.candidate, flight.trial.number
        baseline = state.baseline
        if number == 0 and candidate == state.plan.baseline and baseline is not None:
            return lambda: replace(baseline, stage_seconds={}, found_stages=[])
        run = state.snapshot()
        return partial(
            state.evaluator.evaluate,
            candidate,
            trial_label(number),
            self.policy.gate(run, state.candidates, candidate),
            flight.same[-1].record if flight.same else None,
            partial(score_refusal, run),
            None if flight.same else self.policy.answers_gate(run, state.candidates, candidate),
        )

    def _same_as(self, candidate: Candidate) -> list[NumberedRecord]:
        """Return the measured trials of this very candidate, oldest first.

        However they are called: two sparsities may leave the same channels.
        """
        state = self.state
        ways = self.policy.ways_to(state.snapshot(), state.candidates, candidate)
        return [
            trial
            for trial in state.trials
            if trial.record.failure is None and state.candidates[trial.number] in ways
        ]

    def _share_samples(self, same: Sequence[NumberedRecord], record: TrialRecord) -> None:
        """Let earlier trials of the same candidate have the numbers over all samples, too.

        Otherwise the luckiest of them would stand on the front.
        """
        shared = {trial.number: replace(record, **trial.record.of_the_trial()) for trial in same}
        for number, again in shared.items():
            study_attributes.keep_repeated(self.state.study, number, again, len(self.state.trials))
        if shared:
            self.state.replace_records(shared)

    def _with_costs(self, record: TrialRecord, ask_s: float, waited_s: float) -> TrialRecord:
        """Add what the trial cost beside its stages: all that wasn't waiting since the last one."""
        overhead_s = time.monotonic() - self.marked_s - self.asked_s - waited_s
        self._mark()
        return replace(record, ask_seconds=ask_s, overhead_seconds=max(0.0, overhead_s))

    def _mark(self) -> None:
        self.marked_s, self.asked_s = time.monotonic(), 0.0

    def _measure_baseline(self) -> None:
        """Measure the baseline once a run, first; one that a lost device kept from us, again.

        Raises:
            UsageError: If a file of the person's is what is wrong.
        """
        state = self.state
        kept = state.baseline
        if kept is not None and not (kept.failure and kept.failure.is_transient):
            return
        record = state.evaluator.evaluate_baseline(state.plan.baseline)
        failure = record.failure
        if failure is not None and failure.kind == InputError.kind:
            raise UsageError(f"workload: {failure.reason}")
        if failure is not None:
            text = f"The baseline can't be measured ({failure.stage}: {failure.reason})"
            state.observe(Notice(f"{text}, so nothing is compared with it."))
        state.set_baseline(record)
        state.observe(BaselineMeasured(record, state.snapshot()))

    def _enqueue_first_trials(self) -> None:
        for candidate in self.state.plan.first:
            params = self.state.plan.parameters.params_of(candidate)
            assert params is not None
            self.state.study.enqueue_trial(params, skip_if_exists=True)

    def _refuse_hopeless(self) -> None:
        """Stop early where none of the first trials could even be built.

        Raises:
            UsageError: With the reasons.
        """
        trials, count = self.state.trials, len(self.state.plan.first)
        if not count <= len(trials) < count + self.flights.lanes:
            return
        failures = [trial.record.failure for trial in trials if trial.number < count]
        if len(failures) < count or any(
            failure is None or failure.stage not in _BEFORE_THE_DEVICE for failure in failures
        ):
            return
        reasons = dict.fromkeys(f"{f.stage}: {f.reason}" for f in failures if f is not None)
        raise UsageError(
            "none of the first trials could be built, so none of the others will be:\n"
            + "\n".join(reasons)
        )


def _state(record: TrialRecord) -> str:
    if record.failure is None:
        return "complete"
    return "failed" if record.failure.is_transient else "pruned"
