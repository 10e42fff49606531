"""The parts that evaluate a space's candidates, put together: builder, pipeline, bench."""

from __future__ import annotations

from evaluators.bench import Bench
from evaluators.builder import WORKER, Builder, WorkloadSource
from evaluators.devices.recovery import Recovery, RecoveryPlan
from evaluators.failures import EvaluationFailure
from evaluators.pipeline import Pipeline
from evaluators.store import ArtifactStore, default_root
from evaluators.workload_facts import WorkloadFacts
from search.errors import UsageError
from search.evaluation import Evaluator, clear_failures
from search.events import Notice, Observer, StageStarted, Waiting
from search.plan import Plan
from search.retries import Retries
from search.target import child_limits
from spaces.field_types import OnnxFiles
from spaces.schema import Space


def make_builder(space: Space, observe: Observer, worker: str = WORKER) -> Builder:
    """Return the handle on the child that will own the space's workload."""
    named = space.workload
    reference = named.model_dump() if isinstance(named, OnnxFiles) else named
    source = WorkloadSource(reference, space.folder.resolve(), default_root() / "teachers")
    builder = Builder(source, child_limits(space), worker)
    builder.on_wait = lambda: observe(Waiting())
    return builder


def describe_workload(builder: Builder, observe: Observer) -> WorkloadFacts:
    """Import the workload in its child and train its model if it isn't cached yet.

    Raises:
        UsageError: If anything is wrong with it.
    """
    observe(StageStarted("workload", "load, and train once", is_timed=False))
    try:
        body = builder.run("describe").body
    except EvaluationFailure as failure:
        raise UsageError(f"workload: {failure.reason}") from failure
    return WorkloadFacts.from_json(body)


def make_evaluator(
    plan: Plan, builder: Builder, scorer: Builder, seed: int, observe: Observer
) -> Evaluator:
    """Return what turns candidates of a plan into records.

    Args:
        plan: Whose.
        builder: Does every stage up to the portable model.
        scorer: Scores answers. The builder itself, unless what a board answered would have to wait
            for another trial's training.
        seed: Of the study.
        observe: Told of stages and notices.

    Raises:
        UsageError: If the store's disk is full.
    """
    with clear_failures():
        store = ArtifactStore(default_root() / "store")
    target = plan.target
    pipeline = Pipeline(
        plan.workload,
        builder,
        target.device,
        store,
        plan.space.batch_size,
        seed,
        target.provenance,
    )
    bench = Bench(
        plan.workload,
        scorer,
        target.device,
        store,
        target.power,
        plan.space.batch_size,
        target.provenance,
        plan.timing,
        target.untimed,
        plan.space.measuring.attempts,
    )
    recovery = _make_recovery(plan, observe)
    return Evaluator(pipeline, bench, plan.objectives, observe, retries=Retries(recovery))


def _make_recovery(plan: Plan, observe: Observer) -> Recovery:
    def say(text: str) -> None:
        observe(Notice(text))

    device, allowed = plan.target.device, plan.space.device.recovery
    device.say = say
    return Recovery(device, RecoveryPlan(allowed.reset, allowed.reboot, allowed.wait_s), say)
