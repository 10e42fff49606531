"""The spans of epochs by which the teacher's outputs are kept."""

from __future__ import annotations


def spans_of(epochs: int) -> list[range]:
    """Return the spans, counted from 0, whose outputs a training needs: each doubles what there is.

    A training of any other length shares all but its last.

    Example:
        1 epoch is [0]; 2 are [0], [1]; 4 are [0], [1], [2, 3]; 5 are [0], [1], [2, 3], [4].
    """
    ends = [1 << power for power in range(epochs.bit_length()) if 1 << power < epochs]
    return [range(*both) for both in zip([0, *ends], [*ends, epochs], strict=True)]
