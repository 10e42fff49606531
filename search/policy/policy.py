"""What to try next: where the front should gain most in a second.

Fine-tuning costs minutes and an engine flag a second, so what a trial costs is as much a part of
the choice as what it may bring. Six arms::

    sampled   Optuna's sampler chooses freely, at the lowest rung: it explores; at any rung where
              nothing is forecast to bring anything
    prefix    a little more or less pruned than a member of the front, with or without a pattern of
              zeros, not trained
    training  the same, trained as the member is; or a member with a rung more or less of it
    tuning    a member trained with another temperature or alpha
    rung      more training, for what could then be on the front
    sweep     a member's model, which is in the store, with other engine flags or another precision

The last five are forecast: costs and metrics by Gaussian processes over what was measured, more
training by what it has added before; a model that was scored keeps its metric whatever its flags.
How far an arm's forecasts can be trusted, its own record says. What is chosen depends on the study
alone, so that a killed run goes on as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from evaluators.candidate import Candidate
from search.evaluation import Refuse
from search.gates import answers_refusal, training_refusal
from search.parameters import ParameterSpace
from search.policy.history import ArmHistory
from search.policy.identity import key_of, rung_of
from search.policy.lessons import Lessons
from search.policy.outlook import Outlook
from search.policy.proposals import Proposal
from search.policy.prospects import Prospects
from search.policy.rungs import rungs
from search.records import Run
from spaces.dimensions import Value

FIRST_SAMPLED = 6
"""Trials that the sampler chooses before anything is forecast."""
LEAST_SAMPLED = 0.1
"""The share of the time that the sampler gets however well the forecasts do.

It shrinks while the sampler repeats itself. Held to the lowest rung it converges: in one search of
40 minutes 141 of its 213 trials were of candidates that had been measured.
"""
_HOW_TO_TRAIN = ("distillation.temperature", "distillation.alpha")
_SEED_STRIDE = 7_919


@dataclass(frozen=True, slots=True)
class NextTrial:
    """What to try next.

    Attributes:
        proposal: None where the sampler chooses.
        fixed: The parameters that the sampler isn't to choose: without a proposal the lowest rung,
            or none where no forecast promises anything.
    """

    proposal: Proposal | None
    fixed: dict[str, Value]


class Policy:
    """Chooses what to try next in one study.

    Args:
        space: What may vary.
        seed: Of the study.
    """

    def __init__(self, space: ParameterSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._lessons = Lessons(space)

    def propose(
        self,
        run: Run,
        candidates: Mapping[int, Candidate],
        under_way: Iterable[Candidate] = (),
    ) -> NextTrial:
        """Return what to try next.

        Args:
            run: As the search has it.
            candidates: What each of its trials was.
            under_way: What is being tried already.
        """
        lessons = self._lessons
        lessons.catch_up(run, candidates)
        sampled = NextTrial(None, self._lowest_rung())
        if run.usable_baseline is None or lessons.sampled_count < FIRST_SAMPLED:
            return sampled
        outlook = self._outlook(run)
        history = ArmHistory.of(run, outlook.known)
        novelty = lessons.novelty
        if not outlook.known or history.share_of_time("sampled") < LEAST_SAMPLED * novelty:
            return sampled
        proposals = self._prospects(outlook, under_way).proposals()
        promising = sorted(proposals, key=lambda p: _rate(p, history), reverse=True)
        # Few lie outside the space, so only the best are asked whether they do.
        inside = ((p, params) for p in promising if (params := self._fixed_params(p)) is not None)
        best, params = next(inside, (None, {}))
        if best is None:
            return NextTrial(None, {})
        if _rate(best, history) <= history.rate("sampled") * novelty:
            return sampled
        return NextTrial(best, params)

    def _prospects(self, outlook: Outlook, under_way: Iterable[Candidate]) -> Prospects:
        rng = np.random.default_rng(self._seed * _SEED_STRIDE + len(outlook.run.trials))
        named = [self._lessons.models.first_way_to(each) for each in under_way]
        keys = {key for each in named for key in (key_of(each), rung_of(each))}
        return Prospects(self._space, self._lessons, outlook, rng, keys)

    def _lowest_rung(self) -> dict[str, Value]:
        lowest = rungs(self._space.distillation["epochs"])[0]
        return self._space.params_fixing("distillation.epochs", lowest)

    def _fixed_params(self, proposal: Proposal) -> dict[str, Value] | None:
        """Return all parameters, but for more training those that say how it is to be done.

        None where the candidate lies outside the space.
        """
        params = self._space.params_of(proposal.candidate)
        if params is None:
            return None
        free = _HOW_TO_TRAIN if proposal.arm == "rung" else ()
        return {name: value for name, value in params.items() if not name.startswith(free)}

    def gate(
        self, run: Run, candidates: Mapping[int, Candidate], candidate: Candidate
    ) -> Refuse | None:
        """Return what refuses a candidate before it is trained, where asking costs less.

        Args:
            run: As the search has it.
            candidates: What each of its trials was.
            candidate: What is to be tried.
        """
        lessons = self._lessons
        lessons.catch_up(run, candidates)
        candidate = lessons.models.first_way_to(candidate)
        untrained = replace(candidate, distillation=None)
        if not candidate.is_pruned or lessons.has_tried(key_of(untrained)):
            return None
        if lessons.costs.training_s(candidate) <= lessons.costs.expected_s(untrained):
            return None
        hoped_cost = -math.inf
        if run.usable_baseline is not None:
            hoped_cost = self._outlook(run).hoped_metric_cost(candidate)
        return partial(training_refusal, run, run.facts.metric.as_cost(hoped_cost))

    def answers_gate(
        self, run: Run, candidates: Mapping[int, Candidate], candidate: Candidate
    ) -> Refuse | None:
        """Return what refuses a candidate before it is asked for its answers, where they are known.

        Args:
            run: As the search has it.
            candidates: What each of its trials was.
            candidate: What is to be tried, and wasn't measured before.
        """
        lessons = self._lessons
        lessons.catch_up(run, candidates)
        hoped_cost = lessons.answers.hoped_cost(lessons.models.first_way_to(candidate))
        if hoped_cost is None:
            return None
        return partial(answers_refusal, run, run.facts.metric.as_cost(hoped_cost))

    def ways_to(
        self, run: Run, candidates: Mapping[int, Candidate], candidate: Candidate
    ) -> list[Candidate]:
        """Return the candidates that are this very one, whatever their pruning is called.

        Args:
            run: As the search has it.
            candidates: What each of its trials was.
            candidate: One of them, or what is to be tried.
        """
        self._lessons.catch_up(run, candidates)
        return self._lessons.models.ways_to(candidate)

    def _outlook(self, run: Run) -> Outlook:
        return Outlook(self._space.dimensions, run, self._lessons.known(run))


def _rate(proposal: Proposal, history: ArmHistory) -> float:
    return history.trust(proposal.arm) * proposal.gain / max(proposal.seconds, 1e-3)
