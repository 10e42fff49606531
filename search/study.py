"""Ask -> evaluate -> tell, until the budget is spent; interrupted at any moment, it goes on.

::

    lock the run -> describe the workload -> plan -> baseline -> first trials -> Optuna's trials
         ^                                                                            |
         '---- killed: the same command finishes what was told, repeats what wasn't <-'
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace

import optuna

from evaluators.builder import Builder
from evaluators.candidate import Candidate
from evaluators.failures import InputError
from search import feedback
from search.budget import Budget
from search.errors import UsageError
from search.evaluation import (
    Evaluator,
    describe_workload,
    make_builder,
    make_pipeline,
    reference_metric,
)
from search.events import BaselineMeasured, Notice, Observer, TrialFinished, TrialStarted
from search.plan import Plan, make_plan
from search.records import (
    BASELINE,
    RUN,
    NumberedRecord,
    Run,
    RunFacts,
    TrialRecord,
    run_of_study,
)
from search.recovery import settle_interrupted
from search.run_directory import RunDirectory, open_storage
from search.samplers import make_sampler
from search.target import find_target
from spaces.schema import Space

_BEFORE_THE_DEVICE = ("compress", "export", "quantize", "compile")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line may change for one session.

    Attributes:
        trials: Total of finished trials; None takes the space file's.
        timeout_s: Seconds for this session; None takes the space file's.
        storage: Optuna storage URL; None is SQLite in the run's folder.
        seed: Of the whole study; None is 0 for a new run and the kept one for an old.
        should_stop: Asked before every trial.
    """

    trials: int | None = None
    timeout_s: float | None = None
    storage: str | None = None
    seed: int | None = None
    should_stop: Callable[[], bool] = lambda: False


def run_search(
    space: Space, directory: RunDirectory, options: RunOptions, observe: Observer
) -> Run:
    """Run a study to the end of its budget and return it; a folder with a run goes on.

    Raises:
        RunError: If it can't start, or the disk or the storage gives out.
        KeyboardInterrupt: If it was stopped in the middle of a trial.
    """
    target = find_target(space)
    with directory.writing(), closing(make_builder(space, observe)) as builder:
        for text in target.notices:
            observe(Notice(text))
        budget = _budget(space, options)
        plan = make_plan(space, target, describe_workload(builder, observe))
        study = _open_study(plan, directory, options)
        return _Search(plan, study, budget, _seed(study, options), builder, observe).run()


def _budget(space: Space, options: RunOptions) -> Budget:
    return Budget(
        options.trials or space.budget.trials,
        options.timeout_s or space.budget.timeout_s,
        options.should_stop,
    )


def _open_study(plan: Plan, directory: RunDirectory, options: RunOptions) -> optuna.Study:
    """Create the study, or load it and make sure that it is this space's.

    Raises:
        UsageError: If the run belongs to another space.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = directory.storage_url(options.storage)
    directory.check_study(plan.space.name)
    study = optuna.create_study(
        study_name=plan.space.name,
        storage=open_storage(url),
        directions=[objective.direction for objective in plan.objectives],
        load_if_exists=True,
    )
    kept = study.user_attrs.get(RUN)
    if kept is not None and kept["identity"] != plan.identity:
        raise UsageError(
            f"--run must be a folder of this space, but {directory.path} was begun with another "
            f"version of {kept['space_file']}. Choose another folder with --run."
        )
    directory.remember(url, plan.space.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([objective.name for objective in plan.objectives])
    return study


def _seed(study: optuna.Study, options: RunOptions) -> int:
    """Return the study's seed, which a resumed run can't change.

    Raises:
        UsageError: If another one is asked for.
    """
    kept = study.user_attrs.get(RUN)
    if kept is None:
        return options.seed or 0
    if options.seed not in (None, kept["seed"]):
        raise UsageError(
            f"--seed must be {kept['seed']}, which this run was begun with, but got "
            f"{options.seed}. Leave it out, or choose another folder with --run."
        )
    return int(kept["seed"])


@dataclass
class _Search:
    """One session of a study."""

    plan: Plan
    study: optuna.Study
    budget: Budget
    seed: int
    builder: Builder
    observe: Observer
    trials: list[NumberedRecord] = field(default_factory=list)
    baseline: TrialRecord | None = None
    marked_s: float = 0.0

    def run(self) -> Run:
        """Go on until the budget is spent."""
        pipeline = make_pipeline(self.plan, self.builder, self.seed)
        self.evaluator = Evaluator(pipeline, self.plan.objectives, self.observe)
        self.reference_metric = reference_metric(pipeline)
        self._set_facts()
        settle_interrupted(self.study, self.plan)
        self.trials = list(run_of_study(self.study).trials)
        try:
            self._measure_baseline()
            self._set_facts()  # what is relative to the baseline is known now
            self._enqueue_first_trials()
            self.marked_s = time.monotonic()
            while self.budget.allows(self._finished()):
                self._run_trial()
                self._refuse_hopeless()
        finally:
            settle_interrupted(self.study, self.plan)
        return self._snapshot()

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
        left_s = self.budget.expected_left_s(finished)
        total = self.budget.trials
        self.observe(TrialFinished(numbered, self._snapshot(), finished, total, left_s))

    def _evaluate(self, number: int, candidate: Candidate) -> TrialRecord:
        """Measure a candidate; the first trial is the baseline, which just was."""
        if number == 0 and candidate == self.plan.baseline and self.baseline is not None:
            record = replace(self.baseline, stage_seconds={}, found_stages=[])
        else:
            record = self.evaluator.evaluate(candidate, f"trial {number}")
        if record.failure is not None:
            return record
        over = feedback.violations_of(record.quantities, self.plan.constraints, self.facts.bounds)
        return replace(record, violations=over)

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
        kept = self.study.user_attrs.get(BASELINE)
        if kept is not None:
            self.baseline = TrialRecord.from_json(kept)
            return
        record = self.evaluator.evaluate(self.plan.baseline, "baseline")
        failure = record.failure
        if failure is not None and failure.kind == InputError.kind:
            raise UsageError(f"workload: {failure.reason}")
        if failure is not None:
            text = f"The baseline can't be measured ({failure.stage}: {failure.reason})"
            self.observe(Notice(f"{text}, so nothing is compared with it."))
        self.study.set_user_attr(BASELINE, record.to_json())
        self.baseline = record
        self.observe(BaselineMeasured(record, self._snapshot()))

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
        self.study.set_user_attr(RUN, self.facts.to_json())


def _state(record: TrialRecord) -> str:
    if record.failure is None:
        return "complete"
    return "failed" if record.failure.is_transient else "pruned"
