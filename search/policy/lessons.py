"""What a study has taught so far; each of its trials is learned from once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping

from evaluators.candidate import Candidate
from search.parameters import ParameterSpace
from search.policy.answers import KnownAnswers
from search.policy.identity import key_of, rung_of
from search.policy.known import Known, KnownTrials, metric_cost
from search.policy.pruned_models import PrunedModels
from search.policy.training import TrainingGains
from search.policy.trial_costs import TrialCosts
from search.records import NumberedRecord, Run

_NEWEST_SAMPLED = 20


class Lessons:
    """Every trial by the first name of its model.

    Args:
        space: What may vary.

    Attributes:
        costs: What trials cost.
        training: What a rung of training brings.
        models: Which ways of pruning came to the same model.
        answers: What models answer with other flags.
    """

    def __init__(self, space: ParameterSpace) -> None:
        self.costs = TrialCosts(space.engines)
        self.training = TrainingGains()
        self.models = PrunedModels()
        self.answers = KnownAnswers()
        self._tried: set[Hashable] = set()
        self._climbed: set[Hashable] = set()
        self._candidates: dict[int, Candidate] = {}
        self._known = KnownTrials()
        self._best_metric_cost = math.inf
        self._sampled_new: list[bool] = []

    def catch_up(self, run: Run, candidates: Mapping[int, Candidate]) -> None:
        """Learn from the trials that have ended since.

        Args:
            run: As the search has it.
            candidates: What each of its trials was.
        """
        for trial in run.trials:
            number = trial.number
            if number in self._candidates or number not in candidates:
                continue  # the latter was killed before it was decided what it is
            self.models.learn(candidates[number], trial.record)
            self._candidates[number] = self.models.first_way_to(candidates[number])
            self._learn(trial, self._candidates[number], run)

    def known(self, run: Run) -> list[Known]:
        """Return the trials that have numbers, of a run that was caught up with."""
        return self._known.of(run, self._candidates)

    @property
    def sampled_count(self) -> int:
        """How many trials the sampler chose."""
        return len(self._sampled_new)

    @property
    def novelty(self) -> float:
        """The share of the sampler's newest choices that weren't measured before; never 0.

        One more counts as new, so that a sampler that repeats itself is still asked now and then.
        """
        newest = self._sampled_new[-_NEWEST_SAMPLED:]
        return (1 + sum(newest)) / (1 + len(newest))

    def has_tried(self, key: Hashable) -> bool:
        """Say whether exactly the candidate was tried whose `key_of` this is.

        It must have the first name of its model.
        """
        return key in self._tried

    def rungs_left(self, known: Known, ladder: Iterable[int]) -> list[int]:
        """Return the rungs above a pruned model's that it wasn't trained to."""
        if not known.candidate.is_pruned:
            return []
        above = (epochs for epochs in ladder if epochs > known.candidate.epochs)
        return [epochs for epochs in above if (known.prefix, epochs) not in self._climbed]

    def _learn(self, trial: NumberedRecord, candidate: Candidate, run: Run) -> None:
        record = trial.record
        self.costs.learn(candidate, record)
        if record.failure is not None and record.failure.is_transient:
            return
        key = key_of(candidate)
        is_new = not self.has_tried(key)
        if record.origin.get("arm") == "sampled":
            self._sampled_new.append(is_new)
        self._tried.add(key)
        self._climbed.add(rung_of(candidate))
        if record.failure is None:
            cost = metric_cost(record, run)
            best_before = cost if self._best_metric_cost == math.inf else self._best_metric_cost
            self.training.learn(candidate, cost, best_before)
            self._best_metric_cost = min(cost, self._best_metric_cost)
            if is_new:  # a repeat answers the same
                self.answers.learn(candidate, cost)
