"""What may be tried next as a study stands: what each should add to the front, and cost.

Candidates are members of the front changed in one respect, or trained for longer where they could
then be on it, and a forecast is taken to come out a little better than expected. Only where none of
them promises anything, more is hoped for, and what lies near other trials is asked for too.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from evaluators.candidate import Candidate
from search.parameters import ParameterSpace
from search.policy.identity import key_of
from search.policy.known import Known
from search.policy.lessons import Lessons
from search.policy.outlook import Outlook
from search.policy.proposals import Arm, Neighbours, Proposal

_HOPES = (0.5, 1.0, 2.0, 4.0)
"""Standard deviations by which a forecast is taken to come out better than expected."""
_MOST_PARENTS = 12
_FIRST_TRIALS = 5
"""Among them each precision alone; their configurations are tried on every model."""


@dataclass(frozen=True)
class Prospects:
    """Proposals of one moment.

    Attributes:
        space: What may vary.
        lessons: What the study has taught.
        outlook: What is known of it now; at least one trial.
        rng: Draws whose neighbours are asked for.
        under_way: `key_of` and `rung_of` what is being tried already.
    """

    space: ParameterSpace
    lessons: Lessons
    outlook: Outlook
    rng: np.random.Generator
    under_way: Container[Hashable]

    def proposals(self) -> list[Proposal]:
        """Return what should add something; nothing where no hope is large enough."""
        near = Neighbours(self.space, self.rng)
        more = self._timed(self._more_training(near))
        for members, hope in self._circles():
            order = self.rng.permutation(len(members))[:_MOST_PARENTS]
            parents = [members[position] for position in order]
            changed = {key_of(p.candidate): p for p in self._changed(near, parents)}
            unseen = [p for key, p in changed.items() if self._is_new(key, p.candidate)]
            found = self._timed(self.outlook.forecast(unseen, hope)) if unseen else []
            if more or found:
                return [*more, *found]
        return []

    def _circles(self) -> Iterator[tuple[Sequence[Known], float]]:
        """Yield trials near which to look, wider and wider, and with how much hope."""
        outlook = self.outlook
        for members in (outlook.front, outlook.promising, outlook.known):
            for hope in _HOPES:
                yield members, hope

    def _changed(self, near: Neighbours, parents: Sequence[Known]) -> Iterator[Proposal]:
        """Yield trials with other flags, widths, zeros, and other training.

        Widths are varied from each sparsity that came to a model's; the next may lie beyond it.
        """
        models = self.lessons.models
        first = self.outlook.known[:_FIRST_TRIALS]
        configurations = [known.candidate for known in (*parents, *first)]
        for parent in parents:
            number = parent.trial.number
            for candidate in near.other_flags(parent.candidate, configurations):
                yield Proposal("sweep", number, candidate)
            others = chain(
                *map(near.other_widths, models.ways_to(parent.candidate)),
                near.other_patterns(parent.candidate),
                near.other_epochs(parent.candidate),
            )
            for candidate in map(models.first_way_to, others):
                yield Proposal(_arm_of(candidate), number, candidate)
            for candidate in near.other_tuning(parent.candidate):
                yield Proposal("tuning", number, candidate)

    def _more_training(self, near: Neighbours) -> Iterator[Proposal]:
        """Yield the rungs at which a model could then be on the front."""
        for known in self.outlook.promising:
            cost = known.metric_cost
            for epochs in self._rungs_to_try(known, near.ladder):
                if (known.prefix, epochs) in self.under_way:
                    continue
                best = self.outlook.best_metric_cost
                cost = self.lessons.training.expected_cost(cost, best, epochs)
                candidate = near.trained(known.candidate, epochs)
                gain = self.outlook.gain_of(self.outlook.shared_costs[known.speed], cost)
                yield Proposal("rung", known.trial.number, candidate, gain=gain)

    def _rungs_to_try(self, known: Known, ladder: Sequence[int]) -> Sequence[int]:
        """Return the rungs that a model wasn't trained to; not the longest before all others.

        It promises most, and nothing says what an epoch takes before the first training.
        """
        left = self.lessons.rungs_left(known, ladder)
        return left if self.lessons.costs.has_seen_training else left[:-1] or left

    def _is_new(self, key: Hashable, candidate: Candidate) -> bool:
        if key in self.under_way or self.lessons.has_tried(key):
            return False
        engine = self.space.engines[candidate.engine].engine
        flags = engine.flags_with(candidate.flags, candidate.sparsity_pattern)
        return engine.refusal(candidate.precision, flags) is None

    def _timed(self, proposals: Iterable[Proposal]) -> list[Proposal]:
        """Return those that should add something, with the time that each should take."""
        expected_s = self.lessons.costs.expected_s
        return [replace(p, seconds=expected_s(p.candidate)) for p in proposals if p.gain > 0]


def _arm_of(candidate: Candidate) -> Arm:
    """Return the arm of another model: forecasts of what isn't trained are kept far less often."""
    return "prefix" if candidate.distillation is None else "training"
