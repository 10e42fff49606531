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
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from evaluators.builder import Builder, WorkloadSource
from evaluators.candidate import Candidate
from evaluators.failures import DeviceLost, EvaluationFailure, InputError
from evaluators.pipeline import Evaluation, Pipeline, StageClock, WorkloadFacts
from evaluators.store import ArtifactStore, default_root
from search import feedback
from search.budget import Budget
from search.errors import UsageError
from search.events import (
    BaselineMeasured,
    Notice,
    Observer,
    StageStarted,
    TrialFinished,
    TrialStarted,
    Waiting,
)
from search.parameters import ParameterSpace
from search.plan import Plan, make_plan
from search.records import (
    BASELINE,
    RECORD,
    RUN,
    Failure,
    NumberedRecord,
    Run,
    RunFacts,
    TrialRecord,
    run_of_study,
)
from search.run_directory import RunDirectory, open_storage
from search.samplers import make_sampler
from search.target import child_limits, find_target
from spaces.field_types import OnnxFiles
from spaces.schema import Space

DEVICE_RETRIES = 2
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
    for text in target.notices:
        observe(Notice(text))
    with (
        directory.writing(),
        closing(make_builder(space, observe)) as builder,
    ):
        plan = make_plan(space, target, describe_workload(builder, observe))
        study = _open_study(plan, directory, options)
        return _Search(plan, study, builder, options, observe).run()


def make_builder(space: Space, observe: Observer) -> Builder:
    """Return the handle on the child that will own the space's workload."""
    root = default_root()
    named = space.workload
    reference = named.model_dump() if isinstance(named, OnnxFiles) else named
    source = WorkloadSource(reference, space.folder.resolve(), root / "teachers")
    builder = Builder(source, child_limits(space))
    builder.on_wait = lambda: observe(Waiting())
    return builder


def describe_workload(builder: Builder, observe: Observer) -> WorkloadFacts:
    """Import the workload in its child and train its model if it isn't cached yet.

    Raises:
        UsageError: If anything is wrong with it.
    """
    observe(StageStarted("workload", "load and train once", is_timed=False))
    try:
        body = builder.run("describe").body
    except EvaluationFailure as failure:
        raise UsageError(f"workload: {failure.reason}") from failure
    return WorkloadFacts(**{**body, "modules": tuple(body["modules"])})


def _open_study(plan: Plan, directory: RunDirectory, options: RunOptions) -> optuna.Study:
    """Create the study, or load it and make sure that it is this space's.

    Raises:
        UsageError: If the run belongs to another space.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = directory.storage_url(options.storage)
    storage = open_storage(url)
    study = optuna.create_study(
        study_name=plan.space.name,
        storage=storage,
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


@dataclass
class _Search:
    """One session of a study."""

    plan: Plan
    study: optuna.Study
    builder: Builder
    options: RunOptions
    observe: Observer
    trials: list[NumberedRecord] = field(default_factory=list)
    baseline: TrialRecord | None = None
    marked_s: float = field(default_factory=time.monotonic)

    def run(self) -> Run:
        """Go on until the budget is spent."""
        self.seed = self._seed()
        self.pipeline = self._pipeline()
        self._set_facts()
        settle_interrupted(self.study, self.plan)
        self.trials = list(run_of_study(self.study).trials)
        space_budget = self.plan.space.budget
        budget = Budget(
            self.options.trials or space_budget.trials,
            self.options.timeout_s or space_budget.timeout_s,
            self.options.should_stop,
        )
        try:
            self._measure_baseline()
            self._set_facts()  # ratios to the baseline are bounds now
            self._enqueue_first_trials()
            while budget.allows(self._finished()):
                self._run_trial(budget)
                self._refuse_hopeless()
        finally:
            settle_interrupted(self.study, self.plan)
        return self._snapshot()

    def _run_trial(self, budget: Budget) -> None:
        start = time.monotonic()
        self.study.sampler = make_sampler(self.seed, len(self.trials))
        trial = self.study.ask()
        candidate = self.plan.parameters.ask(trial)
        ask_s = time.monotonic() - start
        self.observe(TrialStarted(trial.number, dict(candidate.params())))
        is_baseline = trial.number == 0 and candidate == self.plan.baseline
        if is_baseline and self.baseline is not None:
            record = replace(self.baseline, stage_seconds={}, found_stages=[])
        else:
            record = self._evaluate(candidate, f"trial {trial.number}")
        record = self._with_costs(record, ask_s)
        feedback.tell(self.study, trial, record, self.plan.objectives)
        numbered = NumberedRecord(trial.number, _state(record), record)
        self.trials.append(numbered)
        budget.add_trial(time.monotonic() - start)
        finished = self._finished()
        left_s = budget.expected_left_s(finished)
        self.observe(TrialFinished(numbered, self._snapshot(), finished, budget.trials, left_s))

    def _evaluate(self, candidate: Candidate, label: str) -> TrialRecord:
        """Build and measure; a device that goes away is tried again, then given up."""

        def started(stage: str) -> None:
            self.observe(StageStarted(label, stage, is_timed=stage == "benchmark"))

        clock = StageClock(started)
        for attempt in range(DEVICE_RETRIES + 1):
            try:
                evaluation = self.pipeline.evaluate(candidate, clock)
            except DeviceLost as failure:
                if attempt == DEVICE_RETRIES:
                    return _failed(candidate, failure, clock)
            except EvaluationFailure as failure:
                return _failed(candidate, failure, clock)
            else:
                return self._measured(candidate, evaluation, clock)
        raise AssertionError("the last attempt returns")

    def _measured(
        self, candidate: Candidate, evaluation: Evaluation, clock: StageClock
    ) -> TrialRecord:
        record = TrialRecord(
            dict(candidate.params()),
            quantities=evaluation.quantities,
            artifact=str(evaluation.artifact),
            artifact_sha256=evaluation.artifact_sha256,
            engine_metrics=evaluation.engine_metrics,
            notes=evaluation.notes,
            facts=evaluation.facts,
            stage_seconds=clock.seconds,
            found_stages=clock.found,
        )
        for objective in self.plan.objectives:
            if record.shown(objective) is None:
                why = record.quantities[objective.si_name].provenance
                return replace(
                    record, failure=Failure("rejected", f"{objective.name}: {why}", None)
                )
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
            self.baseline = _usable(TrialRecord.from_json(kept))
            return
        record = self._evaluate(self.plan.baseline, "baseline")
        if record.failure is not None:
            if record.failure.kind == InputError.kind:
                raise UsageError(f"workload: {record.failure.reason}")
            self.observe(
                Notice(
                    f"The baseline can't be measured ({record.failure.stage}: "
                    f"{record.failure.reason}), so nothing is compared with it."
                )
            )
        self.study.set_user_attr(BASELINE, record.to_json())
        self.baseline = _usable(record)
        self.marked_s = time.monotonic()
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
        first = self.trials[: len(self.plan.first)]
        failures = [trial.record.failure for trial in first]
        if len(self.trials) != len(self.plan.first) or any(
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
        kept = self.study.user_attrs.get(BASELINE) if self.baseline is None else None
        baseline = TrialRecord.from_json(kept) if kept else self.baseline
        return Run(self.facts, baseline, tuple(self.trials))

    def _seed(self) -> int:
        kept = self.study.user_attrs.get(RUN)
        if kept is not None:
            return int(kept["seed"])
        return self.options.seed or 0

    def _pipeline(self) -> Pipeline:
        plan = self.plan
        return Pipeline(
            workload=plan.workload,
            builder=self.builder,
            device=plan.target.device,
            store=ArtifactStore(default_root() / "store"),
            power=plan.target.power,
            batch_size=plan.space.batch_size,
            seed=self.seed,
            provenance=plan.target.provenance,
            timing=plan.timing,
        )

    def _set_facts(self) -> None:
        self.facts = self._facts()
        self.study.set_user_attr(RUN, self.facts.to_json())

    def _facts(self) -> RunFacts:
        plan = self.plan
        try:
            reference = float(self.pipeline.reference_scores().mean())
        except EvaluationFailure as failure:
            raise UsageError(f"workload: {failure.reason}") from failure
        return RunFacts(
            name=plan.space.name,
            space_file=str(plan.space.file),
            identity=plan.identity,
            seed=self.seed,
            device=plan.space.device.name,
            machine=plan.target.machine,
            objectives=plan.objectives,
            metric=plan.metric,
            reference_metric=reference,
            notices=plan.target.notices,
            bounds=feedback.resolve_bounds(plan.constraints, self.baseline, reference),
        )


def settle_interrupted(study: optuna.Study, plan: Plan) -> None:
    """Leave no trial RUNNING: finish those whose record is kept, try the others again.

    Failing comes before queueing: killed in between, a suggestion is lost and nothing else; the
    other way round it would run twice.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        kept = trial.user_attrs.get(RECORD)
        if kept is not None:
            feedback.finish(study, trial.number, TrialRecord.from_json(kept), plan.objectives)
            continue
        study.tell(trial.number, state=TrialState.FAIL)
        params = _complete_params(trial, plan.parameters)
        if params is not None:
            study.enqueue_trial(params)


def _complete_params(trial: FrozenTrial, parameters: ParameterSpace) -> dict[str, Any] | None:
    """Return what a trial was to run, or None if it was killed before that was decided."""
    queued = trial.system_attrs.get("fixed_params")
    if queued:
        return dict(queued)
    try:
        parameters.candidate_of(trial.params)
    except KeyError:
        return None
    return dict(trial.params)


def _usable(record: TrialRecord) -> TrialRecord | None:
    return record if record.failure is None else None


def _state(record: TrialRecord) -> str:
    if record.failure is None:
        return "complete"
    return "failed" if record.failure.is_transient else "pruned"


def _failed(candidate: Candidate, failure: EvaluationFailure, clock: StageClock) -> TrialRecord:
    """Keep why a trial has no numbers."""
    return TrialRecord(
        dict(candidate.params()),
        failure=Failure(failure.kind, failure.reason, failure.stage),
        stage_seconds=clock.seconds,
        found_stages=clock.found,
    )
