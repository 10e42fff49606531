"""What a model answers now, against what was recorded: equal, near enough, or wrong."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from evaluators.bundle.folder import Tensor


class OutputVerdict(NamedTuple):
    """Whether the outputs are right, and the words for it."""

    is_right: bool
    text: str


def compare_outputs(
    recorded: Sequence[np.ndarray], now: Sequence[np.ndarray], tensors: Sequence[Tensor]
) -> OutputVerdict:
    """Compare outputs of shape (n, ...) with those recorded, within each one's tolerance.

    Equal bits are right by themselves. Elsewhere NaN equals NaN alone, and integers have no
    tolerance.
    """
    if len(now) != len(recorded):
        return OutputVerdict(False, "{} outputs instead of {}".format(len(now), len(recorded)))
    worst = []
    is_equal = True
    for before, after, tensor in zip(recorded, now, tensors):
        if before.shape != after.shape or before.dtype != after.dtype:
            return OutputVerdict(
                False,
                "{} is {} of shape {} instead of {} of shape {}".format(
                    tensor.name, after.dtype, after.shape, before.dtype, before.shape
                ),
            )
        if before.tobytes() == after.tobytes():
            continue
        is_equal = False
        difference = _largest_difference(before, after)
        text = "{} differs by up to {:.3g} (tolerance {:.3g})".format(
            tensor.name, difference, tensor.tolerance
        )
        if not difference <= tensor.tolerance:
            return OutputVerdict(False, text)
        worst.append(text)
    samples = "{} samples".format(len(recorded[0]))
    if is_equal:
        return OutputVerdict(True, "equal to the bit on {}".format(samples))
    return OutputVerdict(True, "within the tolerance on {}: {}".format(samples, "; ".join(worst)))


def _largest_difference(before: np.ndarray, after: np.ndarray) -> float:
    """Return the largest absolute difference; infinite where only one of two isn't finite."""
    old, new = before.astype(np.float64), after.astype(np.float64)
    is_same = (old == new) | (np.isnan(old) & np.isnan(new))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(old - new)
    return float(np.where(is_same, 0.0, np.where(np.isnan(distance), np.inf, distance)).max())
