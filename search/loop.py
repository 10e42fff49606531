"""Ask -> evaluate -> tell, until the budget is spent; interrupted at any moment, it goes on.

::

    baseline -> first trials -> Optuna's trials, the canary between them -> confirmation -> front
       ^                                  |
       '-- killed: the same command finishes what was told, repeats what wasn't
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from statistics import median

import optuna

from evaluators.candidate import Candidate
from evaluators.failures import InputError
from search import feedback, study_attributes
from search.budget import Budget
from search.canary import WATCHED, Canary
from search.confirmation import MOST_POINTS, Confirmed, Confirmer, points_to_confirm
from search.drift import is_drift
from search.errors import UsageError
from search.evaluation import Evaluator
from search.events import (
    BaselineMeasured,
    CanaryRead,
    ConfirmationStarted,
    FrontConfirmed,
    Notice,
    Observer,
    TrialFinished,
    TrialStarted,
)
from search.front import pareto_front
from search.plan import Plan
from search.records import NumberedRecord, Run, RunFacts, TrialRecord
from search.recovery import settle_interrupted
from search.samplers import make_sampler
from search.study_attributes import run_of_study
from spaces.field_types import FEWEST_ROUNDS

_BEFORE_THE_DEVICE = ("compress", "export", "quantize", "compile")
_FEWEST_POINTS = 2


@dataclass
class SearchLoop:
    """One session of a study."""

    plan: Plan
    study: optuna.Study
    budget: Budget
    seed: int
    evaluator: Evaluator
    observe: Observer
    trials: list[NumberedRecord] = field(default_factory=list)
    baseline: TrialRecord | None = None
    marked_s: float = 0.0

    def run(self) -> Run:
        """Go on until the budget is spent, then confirm the front."""
        self._begin()
        self._measure_baseline()
        self._set_facts()  # what is relative to the baseline is known now
        self._enqueue_first_trials()
        canary = self._canary()
        self.marked_s = time.monotonic()
        try:
            while self.budget.allows(self._finished(), self._reserve_s()):
                self._run_trial()
                self._refuse_hopeless()
                if canary is not None and canary.is_due:
                    self._watch(canary)
        finally:
            settle_interrupted(self.study, self.plan)
        rounds = self.plan.space.measuring.rounds
        if rounds and not run_of_study(self.study).is_confirmed:
            self._confirm(rounds)
        return run_of_study(self.study)

    def confirm(self) -> Run:
        """Confirm the front as it stands, again if it was before.

        Raises:
            UsageError: If there is nothing to confirm.
        """
        self._begin()
        self.baseline = study_attributes.kept_baseline(self.study)
        self._set_facts()
        if not pareto_front(self._snapshot()):
            raise UsageError(
                "confirm needs a front, but no trial of this run keeps every bound yet. Run it on, "
                "or see what is in the way with: python -m search front --run DIR --all"
            )
        self._confirm(self.plan.space.measuring.rounds or FEWEST_ROUNDS)
        return run_of_study(self.study)

    def _begin(self) -> None:
        self.evaluator.spreads = study_attributes.kept_spreads(self.study)
        self.reference_metric = self.evaluator.reference_metric()
        self._set_facts()
        settle_interrupted(self.study, self.plan)
        self._reread()

    def _reread(self) -> None:
        """Take the trials as the search has them: what an earlier session confirmed may change."""
        self.trials = list(run_of_study(self.study, confirmed=False).trials)

    def _run_trial(self) -> None:
        start = time.monotonic()
        self.study.sampler = make_sampler(self.seed, len(self.trials))
        trial = self.study.ask()
        candidate = self.plan.parameters.ask(trial)
        ask_s = time.monotonic() - start
        self.observe(TrialStarted(trial.number, dict(candidate.params())))
        record = self._with_costs(self._evaluate(trial.number, candidate), ask_s)
        feedback.tell(self.study, trial, record, self.plan.objectives)
        numbered = NumberedRecord(trial.number, _state(record), record)
        self.trials.append(numbered)
        self.budget.add_trial(time.monotonic() - start)
        finished = self._finished()
        left_s = self.budget.expected_left_s(finished, self._reserve_s())
        total = self.budget.trials
        self.observe(TrialFinished(numbered, self._snapshot(), finished, total, left_s))

    def _evaluate(self, number: int, candidate: Candidate) -> TrialRecord:
        """Measure a candidate; the first trial is the baseline, which just was."""
        if number == 0 and candidate == self.plan.baseline and self.baseline is not None:
            record = replace(self.baseline, stage_seconds={}, found_stages=[])
        else:
            record = self.evaluator.evaluate(candidate, f"trial {number}")
        return record if record.failure else replace(record, violations=self._violations(record))

    def _violations(self, record: TrialRecord) -> dict[str, float]:
        return feedback.violations_of(record.quantities, self.plan.constraints, self.facts.bounds)

    def _with_costs(self, record: TrialRecord, ask_s: float) -> TrialRecord:
        """Add what the trial cost beside its stages: everything since the last record."""
        now = time.monotonic()
        spent_s, self.marked_s = now - self.marked_s, now
        overhead_s = spent_s - ask_s - sum(record.stage_seconds.values())
        return replace(record, ask_seconds=ask_s, overhead_seconds=max(0.0, overhead_s))

    def _measure_baseline(self) -> None:
        """Measure the baseline once a run, first.

        Raises:
            UsageError: If a file of the person's is what is wrong.
        """
        self.baseline = study_attributes.kept_baseline(self.study)
        if self.baseline is not None:
            return
        record = self.evaluator.evaluate_baseline(self.plan.baseline)
        failure = record.failure
        if failure is not None and failure.kind == InputError.kind:
            raise UsageError(f"workload: {failure.reason}")
        if failure is not None:
            text = f"The baseline can't be measured ({failure.stage}: {failure.reason})"
            self.observe(Notice(f"{text}, so nothing is compared with it."))
        study_attributes.keep_baseline(self.study, record)
        study_attributes.keep_spreads(self.study, self.evaluator.spreads)
        self.baseline = record
        self.observe(BaselineMeasured(record, self._snapshot()))

    def _canary(self) -> Canary | None:
        """Return what watches for drift, or None where the baseline has no numbers."""
        watched = self.baseline.quantities.get(WATCHED) if self.baseline else None
        if watched is None or watched.value is None:
            return None
        interval_s = self.plan.space.measuring.canary_interval_s
        return Canary(self.evaluator, self.plan.baseline, watched.value, interval_s)

    def _watch(self, canary: Canary) -> None:
        """Read the canary; once the machine is itself again, repeat the front's marked members."""
        reading = canary.read(len(self.trials))
        if reading is None:
            return
        study_attributes.keep_reading(self.study, reading)
        study_attributes.keep_spreads(self.study, self.evaluator.spreads)
        self.observe(CanaryRead(reading))
        self._reread()
        if not reading.has_drifted:
            for member in pareto_front(self._snapshot()):
                if any(map(is_drift, member.record.flags)):
                    self._repeat(member)
            self._reread()
        self.marked_s = time.monotonic()

    def _repeat(self, trial: NumberedRecord) -> None:
        candidate = self.plan.parameters.candidate_of(self.study.trials[trial.number].params)
        record = self.evaluator.evaluate(candidate, f"trial {trial.number}, again")
        if record.failure is None:
            again = replace(record, violations=self._violations(record))
            study_attributes.keep_repeated(self.study, trial.number, again)

    def _reserve_s(self) -> float:
        """Return the seconds that confirmation would take, were this the last trial."""
        rounds = self.plan.space.measuring.rounds
        members = len(pareto_front(self._snapshot())) if rounds else 0
        return rounds * (min(members + _FEWEST_POINTS, MOST_POINTS) + 1) * self._measuring_s()

    def _measuring_s(self) -> float:
        """Return how long one more measurement should take."""
        records = [trial.record for trial in self.trials if trial.record.failure is None]
        return median(
            [record.stage_seconds["benchmark"] for record in records if record.stage_seconds]
            or [0.0]
        )

    def _confirm(self, rounds: int) -> None:
        """Measure the front again, as far as there is time, and keep what comes out."""
        before = self._snapshot()
        points = points_to_confirm(before, self._affordable_points(rounds))
        if not points or self.budget.should_stop():
            return
        self.observe(ConfirmationStarted(len(points), rounds))
        params = {trial.number: trial.params for trial in self.study.get_trials(deepcopy=False)}
        confirmer = Confirmer(
            self.evaluator,
            lambda point: self.plan.parameters.candidate_of(params[point.number]),
            self.budget.should_stop,
            self.seed,
        )
        usable = self.baseline if self.baseline and self.baseline.failure is None else None
        baseline = None if usable is None else (self.plan.baseline, usable)
        confirmed = confirmer.confirm(points, baseline, rounds)
        if confirmed is not None and confirmed.records:
            self._keep_confirmed(confirmed)
            self.observe(FrontConfirmed(run_of_study(self.study), before, confirmed.lost))

    def _keep_confirmed(self, confirmed: Confirmed) -> None:
        """Keep what was confirmed; bounds relative to the baseline follow its confirmed numbers."""
        self.baseline = confirmed.baseline or self.baseline
        self._set_facts()
        records = {
            number: record
            if record.failure
            else replace(record, violations=self._violations(record))
            for number, record in confirmed.records.items()
        }
        study_attributes.keep_confirmed(self.study, len(self.trials), records, confirmed.baseline)
        study_attributes.keep_spreads(self.study, self.evaluator.spreads)

    def _affordable_points(self, rounds: int) -> int:
        left_s, each_s = self.budget.time_left_s(), rounds * self._measuring_s()
        if left_s is None or each_s == 0:
            return MOST_POINTS
        return max(_FEWEST_POINTS, min(MOST_POINTS, int(left_s / each_s) - 1))

    def _enqueue_first_trials(self) -> None:
        for candidate in self.plan.first:
            params = self.plan.parameters.params_of(candidate)
            assert params is not None
            self.study.enqueue_trial(params, skip_if_exists=True)

    def _refuse_hopeless(self) -> None:
        """Stop early where none of the first trials could even be built.

        Raises:
            UsageError: With the reasons.
        """
        count = len(self.plan.first)
        failures = [trial.record.failure for trial in self.trials[:count]]
        if len(self.trials) != count or any(
            failure is None or failure.stage not in _BEFORE_THE_DEVICE for failure in failures
        ):
            return
        reasons = dict.fromkeys(f"{f.stage}: {f.reason}" for f in failures if f is not None)
        raise UsageError(
            "none of the first trials could be built, so none of the others will be:\n"
            + "\n".join(reasons)
        )

    def _finished(self) -> int:
        return sum(trial.state in ("complete", "pruned") for trial in self.trials)

    def _snapshot(self) -> Run:
        return Run(self.facts, self.baseline, tuple(self.trials))

    def _set_facts(self) -> None:
        plan = self.plan
        usable = self.baseline if self.baseline and self.baseline.failure is None else None
        self.facts = RunFacts(
            name=plan.space.name,
            space_file=str(plan.space.file),
            space_path=str(plan.space.file.resolve()),
            overrides=plan.space.overrides,
            identity=plan.identity,
            seed=self.seed,
            device=plan.space.device.name,
            machine=plan.target.machine,
            objectives=plan.objectives,
            metric=plan.metric,
            reference_metric=self.reference_metric,
            notices=plan.target.notices,
            bounds=feedback.resolve_bounds(plan.constraints, usable, self.reference_metric),
        )
        study_attributes.keep_facts(self.study, self.facts)


def _state(record: TrialRecord) -> str:
    if record.failure is None:
        return "complete"
    return "failed" if record.failure.is_transient else "pruned"
