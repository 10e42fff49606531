"""The rungs of fine-tuning: 0, 1, 2, 4, ... epochs, each a trial of its own.

Training is restarted at every rung, with a complete schedule: the middle of a longer one says
little about where either ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from spaces.dimensions import Choice, Dimension, Fixed, Range


def rungs(epochs: Dimension) -> tuple[int, ...]:
    """Return the numbers of epochs to climb, lowest first.

    Example:
        ``Choice((0, 1, 2, 4))`` gives all four; ``Range(0, 10)`` 0, 1, 2, 4, 8, 10; ``Fixed(3)`` 3.
    """
    if isinstance(epochs, Fixed):
        return (int(epochs.value),)
    if isinstance(epochs, Choice):
        return tuple(sorted(int(option) for option in cast("tuple[int, ...]", epochs.options)))
    return tuple(count for count in _doubling(epochs) if epochs.contains(count))


def _doubling(epochs: Range) -> Iterator[int]:
    lowest, highest = int(epochs.min), int(epochs.max)
    yield lowest
    distance = int(epochs.step or 1)
    while lowest + distance < highest:
        yield lowest + distance
        distance *= 2
    if highest > lowest:
        yield highest
