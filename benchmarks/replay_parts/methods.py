"""What is compared in virtual time: this program's own loop, and plain Optuna.

Ours is the real `search.loop.SearchLoop` over the table, with its store. Each trial of plain Optuna
pays every stage, and what it fine-tunes is the pruned model as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from benchmarks import plain_optuna
from benchmarks.outcome import Outcome, Trace
from benchmarks.plain_optuna import search_plainly
from benchmarks.replay_parts.grid import PLAIN, RECONSTRUCTED
from benchmarks.replay_parts.recorded_plan import recorded_plan
from benchmarks.replay_parts.table import Table
from benchmarks.replay_parts.table_evaluator import TableEvaluator
from benchmarks.replay_parts.virtual_clock import VirtualClock
from search.budget import Budget
from search.evaluation import Evaluator
from search.events import Event, Observer, TrialFinished, ignore
from search.loop import SearchLoop
from search.plan import Plan
from search.records import NumberedRecord
from search.samplers import make_sampler
from search.state import StudyState

SamplerOf = Callable[[int, int], BaseSampler]
"""Seed of the study, number of the trial -> the sampler that proposes it."""
OURS = "ours"


@dataclass(frozen=True, slots=True)
class Limits:
    """When a method stops: at whichever comes first.

    Attributes:
        virtual_s: Seconds of virtual time.
    """

    virtual_s: float
    trials: int


@dataclass(frozen=True, slots=True)
class Ours:
    """This program's loop, store and reconstruction, with some sampler for free proposals.

    Attributes:
        overrides: Of the grid's space, as ``--set`` has them.
    """

    sampler_of: SamplerOf = make_sampler
    overrides: Sequence[str] = ()

    def run(self, table: Table, seed: int, limits: Limits) -> Outcome:
        """Search once."""
        return self.search(table, seed, limits)[1]

    def search(self, table: Table, seed: int, limits: Limits) -> tuple[SearchLoop, Outcome]:
        """Search once, and return the loop as it was in the end as well."""
        clock, trace = VirtualClock(), Trace()
        evaluator = TableEvaluator(table, clock, RECONSTRUCTED, remembers=True)

        def observe(event: Event) -> None:
            if isinstance(event, TrialFinished):
                trace.add(clock.now_s(), event.trial)

        state = _state(recorded_plan(table, self.overrides), evaluator, seed, observe)
        budget = Budget(limits.trials, limits.virtual_s, lambda: False, clock.now_s)
        loop = SearchLoop(state, budget, sampler_of=self.sampler_of)
        loop.run()
        return loop, trace.outcome(state.snapshot(), clock.by_stage_s())


@dataclass(frozen=True, slots=True)
class Plain:
    """Plain Optuna."""

    sampler_of: Callable[[int], BaseSampler]

    def run(self, table: Table, seed: int, limits: Limits) -> Outcome:
        """Search once."""
        clock, trace = VirtualClock(), Trace()
        evaluator = TableEvaluator(table, clock, PLAIN, remembers=False)
        state = _state(recorded_plan(table), evaluator, seed, ignore)
        free = replace(evaluator, clock=VirtualClock())
        state.set_baseline(free.evaluate(state.plan.baseline, "baseline"))

        def ended(trial: NumberedRecord) -> None:
            trace.add(clock.now_s(), trial)

        search_plainly(
            state,
            lambda candidate: evaluator.evaluate(candidate, ""),
            self.sampler_of(seed),
            may_go_on=lambda: clock.now_s() < limits.virtual_s,
            ended=ended,
        )
        return trace.outcome(state.snapshot(), clock.by_stage_s())


Method = Ours | Plain

METHODS: Mapping[str, Method] = {
    OURS: Ours(),
    **{name: Plain(sampler_of) for name, sampler_of in plain_optuna.SAMPLERS.items()},
}
SAMPLERS: Mapping[str, Method] = {
    "ours_tpe_joint": Ours(),
    "ours_tpe_independent": Ours(lambda seed, n: TPESampler(seed=_mixed(seed, n))),
    "ours_nsga2": Ours(lambda seed, n: NSGAIISampler(seed=_mixed(seed, n))),
    "ours_gp": Ours(lambda seed, n: _gp(_mixed(seed, n))),
    "ours_random": Ours(lambda seed, n: RandomSampler(seed=_mixed(seed, n))),
}
"""Our own loop with each candidate for the default of `search.samplers`, today's first.

Their names differ from those of `METHODS`.
"""


def _gp(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return GPSampler(seed=seed, deterministic_objective=True)


def _mixed(seed: int, trial_number: int) -> int:
    """Return a seed of this trial alone, since a sampler is made anew for every trial."""
    return (seed * 1_000_003 + trial_number) % 2**32


def _state(plan: Plan, evaluator: TableEvaluator, seed: int, observe: Observer) -> StudyState:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=[o.direction for o in plan.objectives])
    return StudyState(plan, study, seed, cast("Evaluator", evaluator), observe)
