"""What a model answers with other flags, from what it answered before.

Flags decide how fast a model answers and hardly what. How far its metric may move all the same,
models say that were measured with several, engine by engine.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Hashable

from evaluators.candidate import Candidate
from search.gates import WRONG_AT_MOST
from search.policy.identity import answers_of


class KnownAnswers:
    """Learns from the metrics of models that were measured with several flags."""

    def __init__(self) -> None:
        self._best: dict[Hashable, float] = {}
        self._changes: dict[str, list[float]] = defaultdict(list)

    def learn(self, candidate: Candidate, metric_cost: float) -> None:
        """Learn from one more candidate, whose metric was measured as a cost."""
        answers = answers_of(candidate)
        before = self._best.get(answers)
        if before is not None:
            insort(self._changes[candidate.engine], metric_cost - before)
        self._best[answers] = metric_cost if before is None else min(before, metric_cost)

    def hoped_cost(self, candidate: Candidate) -> float | None:
        """Return the best metric to expect, as a cost: exceeded with `WRONG_AT_MOST`.

        None where its model wasn't measured, or too little with several flags to say.

        References:
            David, Nagaraja, Order Statistics, 2003, section 7.1: of n + 1 alike the last is below
            the k-th smallest of the others with a probability of at most k / (n + 1).
        """
        best = self._best.get(answers_of(candidate))
        changes = self._changes[candidate.engine]
        place = int(WRONG_AT_MOST * (len(changes) + 1))
        return None if best is None or not place else best + changes[place - 1]
