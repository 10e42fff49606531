"""Plain Optuna with the program's own evaluators, but nothing remembered, skipped or reconstructed.

What a trial builds goes into a store of its own, which is empty and removed afterwards. The data
and the teacher's answers are kept, as anybody would keep them.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna

from benchmarks.live_parts.ours import spent_s
from benchmarks.live_parts.setting import Setting, surroundings
from benchmarks.outcome import Outcome, Trace
from benchmarks.plain_optuna import SAMPLERS, search_plainly
from evaluators.candidate import Candidate
from evaluators.store import ArtifactStore
from search.assembly import describe_workload, make_builder, make_evaluator
from search.evaluation import Evaluator
from search.events import ignore
from search.plan import make_plan
from search.records import NumberedRecord, TrialRecord
from search.state import StudyState
from search.target import find_target

WORKER = "benchmarks.live_parts.plain_build_worker"


def search(setting: Setting, name: str, baseline: TrialRecord) -> Outcome:
    """Search for the time that every method has.

    Args:
        setting: What is searched.
        name: One of `benchmarks.plain_optuna.SAMPLERS`.
        baseline: What hypervolume and bounds refer to, measured before.
    """
    start_s = time.monotonic()
    trace = Trace()
    with surroundings(setting.cache_of(name)):
        space = setting.space()
        target = find_target(space)
        with closing(make_builder(space, ignore, WORKER)) as builder:
            plan = make_plan(space, target, describe_workload(builder, ignore))
            evaluator = make_evaluator(plan, builder, builder, setting.seed, ignore)
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            study = optuna.create_study(directions=[o.direction for o in plan.objectives])
            state = StudyState(plan, study, setting.seed, evaluator, ignore)
            state.set_baseline(baseline)

            def ended(trial: NumberedRecord) -> None:
                trace.add(time.monotonic() - start_s, trial)

            search_plainly(
                state,
                lambda candidate: _evaluate(evaluator, candidate),
                SAMPLERS[name](setting.seed),
                may_go_on=lambda: time.monotonic() - start_s < setting.seconds,
                ended=ended,
            )
    run = replace(state.snapshot(), baseline=None, trials=[trial for _, trial in trace.trials])
    return trace.outcome(state.snapshot(), spent_s(run, time.monotonic() - start_s))


def _evaluate(evaluator: Evaluator, candidate: Candidate) -> TrialRecord:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = replace(evaluator.pipeline, store=ArtifactStore(Path(folder)))
        return replace(evaluator, pipeline=pipeline).evaluate(candidate, "")
