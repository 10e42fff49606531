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

The last five are forecast: costs by a Gaussian process over what was measured, a metric by what
training has added before; a model that was scored keeps its metric whatever its flags. How far an
arm's forecasts can be trusted, its own record says. What is chosen depends on the study alone, so
that a killed run goes on as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from evaluators.candidate import Candidate
from search.evaluation import Refuse
from search.gates import training_refusal
from search.parameters import ParameterSpace
from search.policy.history import ArmHistory
from search.policy.identity import key_of, rung_of
from search.policy.known import Known, KnownTrials, metric_cost
from search.policy.outlook import Outlook
from search.policy.proposals import Arm, Neighbours, Proposal
from search.policy.pruned_models import PrunedModels
from search.policy.rungs import rungs
from search.policy.training import TrainingGains
from search.policy.trial_costs import TrialCosts
from search.records import NumberedRecord, Run
from spaces.dimensions import Value

FIRST_SAMPLED = 6
"""Trials that the sampler chooses before anything is forecast."""
LEAST_SAMPLED = 0.1
"""The share of the time that the sampler gets however well the forecasts do.

It shrinks while the sampler repeats itself. Held to the lowest rung it converges: in one search of
40 minutes 141 of its 213 trials were of candidates that had been measured.
"""
_NEWEST_SAMPLED = 20
_HOW_TO_TRAIN = ("distillation.temperature", "distillation.alpha")
_MOST_PARENTS = 12
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

    Attributes:
        costs: What trials cost.
    """

    def __init__(self, space: ParameterSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self.costs = TrialCosts(space.engines)
        self._training = TrainingGains()
        self._tried: set[Hashable] = set()
        self._climbed: set[Hashable] = set()
        self._models = PrunedModels()
        self._candidates: dict[int, Candidate] = {}
        self._known = KnownTrials()
        self._best_metric_cost = math.inf
        self._under_way: set[Hashable] = set()
        self._sampled_new: list[bool] = []

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
        self._catch_up(run, candidates)
        named = [self._models.first_way_to(each) for each in under_way]
        self._under_way = {key for each in named for key in (key_of(each), rung_of(each))}
        sampled = NextTrial(None, self._lowest_rung())
        if run.usable_baseline is None or len(self._sampled_new) < FIRST_SAMPLED:
            return sampled
        outlook = self._outlook(run)
        history = ArmHistory.of(run, outlook.known)
        novelty = self._novelty()
        if not outlook.known or history.share_of_time("sampled") < LEAST_SAMPLED * novelty:
            return sampled
        promising = sorted(self._promising(outlook), key=lambda p: _rate(p, history), reverse=True)
        # Few lie outside the space, so only the best are asked whether they do.
        inside = ((p, params) for p in promising if (params := self._fixed_params(p)) is not None)
        best, params = next(inside, (None, {}))
        if best is None:
            return NextTrial(None, {})
        if _rate(best, history) <= history.rate("sampled") * novelty:
            return sampled
        return NextTrial(best, params)

    def _novelty(self) -> float:
        """Return the share of the sampler's choices that weren't measured before; never 0.

        One more counts as new, so that a sampler that repeats itself is still asked now and then.
        """
        newest = self._sampled_new[-_NEWEST_SAMPLED:]
        return (1 + sum(newest)) / (1 + len(newest))

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
        self._catch_up(run, candidates)
        candidate = self._models.first_way_to(candidate)
        untrained = replace(candidate, distillation=None)
        if not candidate.is_pruned or key_of(untrained) in self._tried:
            return None
        if self.costs.training_s(candidate) <= self.costs.expected_s(untrained):
            return None
        hoped_cost = -math.inf
        if run.usable_baseline is not None:
            hoped_cost = self._outlook(run).hoped_metric_cost(candidate)
        return partial(training_refusal, run, run.facts.metric.as_cost(hoped_cost))

    def ways_to(
        self, run: Run, candidates: Mapping[int, Candidate], candidate: Candidate
    ) -> list[Candidate]:
        """Return the candidates that are this very one, whatever their pruning is called.

        Args:
            run: As the search has it.
            candidates: What each of its trials was.
            candidate: One of them, or what is to be tried.
        """
        self._catch_up(run, candidates)
        return self._models.ways_to(candidate)

    def _outlook(self, run: Run) -> Outlook:
        return Outlook(self._space.dimensions, run, self._known.of(run, self._candidates))

    def _catch_up(self, run: Run, candidates: Mapping[int, Candidate]) -> None:
        """Learn from the trials that have ended since, each by the first name of its model."""
        for trial in run.trials:
            number = trial.number
            if number in self._candidates or number not in candidates:
                continue  # the latter was killed before it was decided what it is
            self._models.learn(candidates[number], trial.record)
            self._candidates[number] = self._models.first_way_to(candidates[number])
            self._learn(trial, self._candidates[number], run)

    def _learn(self, trial: NumberedRecord, candidate: Candidate, run: Run) -> None:
        record = trial.record
        self.costs.learn(candidate, record)
        if record.failure is not None and record.failure.is_transient:
            return
        if record.origin.get("arm") == "sampled":
            self._sampled_new.append(key_of(candidate) not in self._tried)
        self._tried.add(key_of(candidate))
        self._climbed.add(rung_of(candidate))
        if record.failure is None:
            cost = metric_cost(record, run)
            best_before = cost if self._best_metric_cost == math.inf else self._best_metric_cost
            self._training.learn(candidate, cost, best_before)
            self._best_metric_cost = min(cost, self._best_metric_cost)

    def _promising(self, outlook: Outlook) -> Iterator[Proposal]:
        rng = np.random.default_rng(self._seed * _SEED_STRIDE + len(outlook.run.trials))
        near = Neighbours(self._space, rng)
        yield from self._timed(self._more_training(outlook, near))
        members = outlook.front
        order = rng.permutation(len(members))[:_MOST_PARENTS]
        parents = [members[position] for position in order]
        changed = {key_of(p.candidate): p for p in self._changed(outlook, near, parents)}
        unseen = {key: p for key, p in changed.items() if self._is_new(key, p.candidate)}
        if unseen:
            yield from self._timed(outlook.forecast(list(unseen.values())))

    def _changed(
        self, outlook: Outlook, near: Neighbours, parents: Sequence[Known]
    ) -> Iterator[Proposal]:
        """Yield members of the front with other flags, widths, zeros, and other training.

        Widths are varied from each sparsity that came to a member's; the next may lie beyond it.
        """
        configurations = [known.candidate for known in (*parents, *outlook.known[:5])]
        for parent in parents:
            number = parent.trial.number
            for candidate in near.other_flags(parent.candidate, configurations):
                yield Proposal("sweep", number, candidate)
            others = chain(
                *map(near.other_widths, self._models.ways_to(parent.candidate)),
                near.other_patterns(parent.candidate),
                near.other_epochs(parent.candidate),
            )
            for candidate in map(self._models.first_way_to, others):
                yield Proposal(_arm_of(candidate), number, candidate)
            for candidate in near.other_tuning(parent.candidate):
                yield Proposal("tuning", number, candidate)

    def _more_training(self, outlook: Outlook, near: Neighbours) -> Iterator[Proposal]:
        """Yield the rungs at which a model could then be on the front."""
        for known in outlook.promising:
            above = self._rungs_above(known, near)
            yield from self._trained(outlook, known, near, above)

    def _rungs_above(self, known: Known, near: Neighbours) -> list[int]:
        if not known.candidate.is_pruned:
            return []
        above = [(known.prefix, e) for e in near.ladder if e > known.candidate.epochs]
        return [r[1] for r in above if r not in self._climbed and r not in self._under_way]

    def _trained(
        self, outlook: Outlook, known: Known, near: Neighbours, above: Iterable[int]
    ) -> Iterator[Proposal]:
        cost = known.metric_cost
        for epochs in above:
            cost = self._training.expected_cost(cost, outlook.best_metric_cost, epochs)
            gain = outlook.gain_of(known.costs, cost)
            if gain > 0:
                candidate = near.trained(known.candidate, epochs)
                yield Proposal("rung", known.trial.number, candidate, gain=gain)

    def _is_new(self, key: Hashable, candidate: Candidate) -> bool:
        if key in self._tried or key in self._under_way:
            return False
        engine = self._space.engines[candidate.engine].engine
        flags = engine.flags_with(candidate.flags, candidate.sparsity_pattern)
        return engine.refusal(candidate.precision, flags) is None

    def _timed(self, proposals: Iterable[Proposal]) -> Iterator[Proposal]:
        for proposal in proposals:
            if proposal.gain > 0:
                yield replace(proposal, seconds=self.costs.expected_s(proposal.candidate))


def _rate(proposal: Proposal, history: ArmHistory) -> float:
    return history.trust(proposal.arm) * proposal.gain / max(proposal.seconds, 1e-3)


def _arm_of(candidate: Candidate) -> Arm:
    """Return the arm of another model: forecasts of what isn't trained are kept far less often."""
    return "prefix" if candidate.distillation is None else "training"
