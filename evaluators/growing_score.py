"""Score a long split part by part, so that a model which can't be worth it is told early.

A slow device takes half an hour for the answers to 50,000 images. So a random eighth of the samples
is answered first, then more until a quarter, a half and all of them are. The float32 model's score
of every sample is known, and only samples on which the two differ leave any doubt: a few hundred
may show that a model has lost too much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluators.statistics import paired_difference

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of the split that are answered after each part."""
LOOKS = len(SHARES) - 1
"""How often a model can be given up before all is known."""
_SEED = 0


def parts_of(count: int) -> Iterator[NDArray[np.int64]]:
    """Yield the samples of each part, of shape (n_part,): together all, none twice.

    They are drawn at random, always the same, since a split may be sorted by class.
    """
    order = np.random.default_rng(_SEED).permutation(count)
    start = 0
    for share in SHARES:
        end = max(start, round(share * count))
        if end > start:
            yield np.sort(order[start:end])
        start = end


@dataclass(slots=True)
class GrowingScore:
    """What is known so far of a split's scores.

    Attributes:
        reference: Scores of the float32 model, of shape (n,).
        direction: ``maximize`` or ``minimize`` the metric.
        scores: Of shape (n,); NaN where a sample isn't answered yet.
    """

    reference: NDArray[np.float64]
    direction: str
    scores: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = np.full(len(self.reference), np.nan)

    def add(self, samples: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Take the scores of some samples in."""
        self.scores[samples] = scores

    @property
    def seen(self) -> NDArray[np.int64]:
        """The samples that are scored, ascending."""
        return np.flatnonzero(~np.isnan(self.scores))

    def __str__(self) -> str:
        return f"{len(self.seen):,} of {len(self.scores):,} samples"

    def best_metric(self, wrong_at_most: float) -> float:
        """Return the best that the whole split's metric may yet come to; before any part, infinity.

        Args:
            wrong_at_most: The probability with which it comes out better all the same, over all
                looks together.
        """
        seen, sign = self.seen, 1 if self.direction == "maximize" else -1
        if not len(seen):
            return sign * math.inf
        confidence = 1 - 2 * wrong_at_most / LOOKS  # only one end of the interval is looked at
        _, low, high = paired_difference(self.scores[seen], self.reference[seen], confidence)
        return float(self.reference.mean()) + (high if sign > 0 else low)
