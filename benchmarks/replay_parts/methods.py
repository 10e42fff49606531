"""What is compared: this program's own loop, and plain Optuna with one sampler or another.

Ours is the real `search.loop.SearchLoop` over the table. Plain Optuna asks, evaluates and tells
over the same space with the same bounds; each of its trials pays every stage, and what it
fine-tunes is the pruned model as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from benchmarks.replay_parts.grid import PLAIN, RECONSTRUCTED
from benchmarks.replay_parts.recorded_plan import recorded_plan
from benchmarks.replay_parts.table import Table
from benchmarks.replay_parts.table_evaluator import TableEvaluator
from benchmarks.replay_parts.trace import Outcome, Trace
from benchmarks.replay_parts.virtual_clock import VirtualClock
from search import feedback
from search.budget import Budget
from search.evaluation import Evaluator
from search.events import Event, Observer, TrialFinished
from search.loop import SearchLoop
from search.records import NumberedRecord
from search.samplers import make_sampler
from search.state import StudyState

SamplerOf = Callable[[int, int], BaseSampler]
"""Seed of the study, number of the trial -> the sampler that proposes it."""


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
    """This program's loop, store and reconstruction, with some sampler for free proposals."""

    sampler_of: SamplerOf = make_sampler

    def run(self, table: Table, seed: int, limits: Limits) -> Outcome:
        """Search once."""
        clock = VirtualClock()
        evaluator = TableEvaluator(table, clock, RECONSTRUCTED, remembers=True)
        trace = Trace(clock)

        def observe(event: Event) -> None:
            if isinstance(event, TrialFinished):
                trace.add(event.trial)

        state = _state(table, evaluator, seed, observe)
        budget = Budget(limits.trials, limits.virtual_s, lambda: False, clock.now_s)
        SearchLoop(state, budget, sampler_of=self.sampler_of).run()
        return trace.ended(state.snapshot())


@dataclass(frozen=True, slots=True)
class PlainOptuna:
    """Ask, evaluate, tell: one sampler for the whole study, and nothing is remembered.

    The bounds are known from the beginning and for free, so that constraints reach the sampler.
    """

    sampler_of: Callable[[int], BaseSampler]

    def run(self, table: Table, seed: int, limits: Limits) -> Outcome:
        """Search once."""
        known = TableEvaluator(table, VirtualClock(), PLAIN, remembers=False)
        clock = VirtualClock()
        state = _state(table, replace(known, clock=clock), seed, _ignore)
        state.set_baseline(known.evaluate(state.plan.baseline, "baseline"))
        state.study.sampler = self.sampler_of(seed)
        trace = Trace(clock)
        for _ in range(limits.trials):
            if clock.now_s() >= limits.virtual_s:
                break
            trial = state.study.ask()
            candidate = state.plan.parameters.ask(trial)
            record = state.judged(state.evaluator.evaluate(candidate, ""))
            feedback.tell(state.study, trial, record, state.plan.objectives)
            trace.add(NumberedRecord(trial.number, "complete", record))
        return trace.ended(state.snapshot())


Method = Ours | PlainOptuna


def plain_tpe(seed: int) -> BaseSampler:
    """Return TPE over the joint distribution of parameters."""
    with _experimental():
        return TPESampler(multivariate=True, group=True, seed=seed)


def plain_nsga2(seed: int) -> BaseSampler:
    """Return NSGA-II with Optuna's defaults."""
    return NSGAIISampler(seed=seed)


OURS = "ours"
METHODS: Mapping[str, Method] = {
    OURS: Ours(),
    "tpe": PlainOptuna(plain_tpe),
    "nsga2": PlainOptuna(plain_nsga2),
}
SAMPLERS: Mapping[str, Method] = {
    "ours, TPE joint": Ours(),
    "ours, TPE independent": Ours(lambda seed, n: TPESampler(seed=_mixed(seed, n))),
    "ours, NSGA-II": Ours(lambda seed, n: NSGAIISampler(seed=_mixed(seed, n))),
    "ours, random": Ours(lambda seed, n: RandomSampler(seed=_mixed(seed, n))),
}
"""Candidates for the default of `search.samplers`."""


def _mixed(seed: int, trial_number: int) -> int:
    """Return a seed of this trial alone, since a sampler is made anew for every trial."""
    return (seed * 1_000_003 + trial_number) % 2**32


def _state(table: Table, evaluator: TableEvaluator, seed: int, observe: Observer) -> StudyState:
    plan = recorded_plan(table)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=[o.direction for o in plan.objectives])
    return StudyState(plan, study, seed, cast("Evaluator", evaluator), observe)


@contextmanager
def _experimental() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _ignore(_: Event) -> None:
    """Take an event and do nothing."""
