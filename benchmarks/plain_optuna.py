"""What people use today: plain Optuna over the same space. Ask, evaluate, tell, and nothing else.

One sampler proposes every trial. There is no store, no gate and no policy, and no first trials;
constraints reach the sampler, with bounds that are known from the beginning and cost nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler

from evaluators.candidate import Candidate
from search import feedback
from search.records import NumberedRecord, TrialRecord
from search.state import StudyState

Evaluate = Callable[[Candidate], TrialRecord]


def search_plainly(
    state: StudyState,
    evaluate: Evaluate,
    sampler: BaseSampler,
    *,
    may_go_on: Callable[[], bool],
    ended: Callable[[NumberedRecord], None],
) -> None:
    """Search until ``may_go_on`` says no, which is asked before every trial.

    Args:
        state: A study, and the baseline that bounds and ratios refer to.
        evaluate: What a trial does; its record isn't judged yet.
        sampler: For the whole study.
        may_go_on: Whether one more trial begins.
        ended: Told of every trial.
    """
    state.study.sampler = sampler
    while may_go_on():
        trial = state.study.ask()
        record = state.judged(evaluate(state.plan.parameters.ask(trial)))
        feedback.tell(state.study, trial, record, state.plan.objectives)
        outcome = "complete" if record.failure is None else "pruned"
        ended(NumberedRecord(trial.number, outcome, record))


def tpe(seed: int) -> BaseSampler:
    """Return TPE over the joint distribution, conditional parameters as groups."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, group=True, seed=seed)


def nsga2(seed: int) -> BaseSampler:
    """Return NSGA-II with Optuna's defaults."""
    return NSGAIISampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {"tpe": tpe, "nsga2": nsga2}
