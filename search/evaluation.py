"""One candidate -> one record: retries where the device went away, reasons where it can't be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from evaluators.builder import Builder, WorkloadSource
from evaluators.candidate import Candidate
from evaluators.failures import DeviceLost, DiskFull, EvaluationFailure
from evaluators.pipeline import Evaluation, Pipeline, StageClock, WorkloadFacts
from evaluators.store import ArtifactStore, default_root
from search.errors import UsageError
from search.events import Observer, StageStarted, Waiting
from search.plan import Plan
from search.records import Failure, TrialRecord
from search.target import child_limits
from spaces.field_types import OnnxFiles
from spaces.objectives import Objective
from spaces.schema import Space

DEVICE_RETRIES = 2


def make_builder(space: Space, observe: Observer) -> Builder:
    """Return the handle on the child that will own the space's workload."""
    named = space.workload
    reference = named.model_dump() if isinstance(named, OnnxFiles) else named
    source = WorkloadSource(reference, space.folder.resolve(), default_root() / "teachers")
    builder = Builder(source, child_limits(space))
    builder.on_wait = lambda: observe(Waiting())
    return builder


def describe_workload(builder: Builder, observe: Observer) -> WorkloadFacts:
    """Import the workload in its child and train its model if it isn't cached yet.

    Raises:
        UsageError: If anything is wrong with it.
    """
    observe(StageStarted("workload", "load, and train once", is_timed=False))
    with _clear_failures():
        body = builder.run("describe").body
    return WorkloadFacts(**{**body, "modules": tuple(body["modules"])})


def make_pipeline(plan: Plan, builder: Builder, seed: int) -> Pipeline:
    """Return the stages for one plan.

    Raises:
        UsageError: If the store's disk is full.
    """
    with _clear_failures():
        store = ArtifactStore(default_root() / "store")
    return Pipeline(
        workload=plan.workload,
        builder=builder,
        device=plan.target.device,
        store=store,
        power=plan.target.power,
        batch_size=plan.space.batch_size,
        seed=seed,
        provenance=plan.target.provenance,
        timing=plan.timing,
    )


def reference_metric(pipeline: Pipeline) -> float:
    """Return the metric of the model as given, in float32 on this host.

    Raises:
        UsageError: If the workload can't be scored, or the store's disk is full.
    """
    with _clear_failures():
        return float(pipeline.reference_scores().mean())


@contextmanager
def _clear_failures() -> Iterator[None]:
    """Turn a failure before the first candidate into a message."""
    try:
        yield
    except DiskFull as failure:
        raise _disk_full(failure) from failure
    except EvaluationFailure as failure:
        raise UsageError(f"workload: {failure.reason}") from failure


def _disk_full(failure: DiskFull) -> UsageError:
    goes_on = "Every finished trial is kept, and the same command goes on."
    return UsageError(f"{failure.reason} {goes_on}")


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Turns candidates into records.

    Attributes:
        objectives: What must have a value in the end.
    """

    pipeline: Pipeline
    objectives: tuple[Objective, ...]
    observe: Observer

    def evaluate(self, candidate: Candidate, label: str) -> TrialRecord:
        """Build and measure; a device that goes away is tried again, then given up.

        Raises:
            UsageError: If a disk is full, which no other candidate would escape.
        """

        def started(stage: str) -> None:
            self.observe(StageStarted(label, stage, is_timed=stage == "benchmark"))

        clock = StageClock(started)
        for attempt in range(DEVICE_RETRIES + 1):
            try:
                evaluation = self.pipeline.evaluate(candidate, clock)
            except DeviceLost as failure:
                if attempt == DEVICE_RETRIES:
                    return _failed(candidate, failure, clock)
            except DiskFull as failure:
                raise _disk_full(failure) from failure
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
        for objective in self.objectives:
            if record.shown(objective) is None:
                why = record.quantities[objective.si_name].provenance
                failure = Failure("rejected", f"{objective.name} is {why}", "benchmark")
                return replace(record, failure=failure)
        return record


def _failed(candidate: Candidate, failure: EvaluationFailure, clock: StageClock) -> TrialRecord:
    """Keep why a trial has no numbers."""
    return TrialRecord(
        dict(candidate.params()),
        failure=Failure(failure.kind, failure.reason, failure.stage),
        stage_seconds=clock.seconds,
        found_stages=clock.found,
    )
