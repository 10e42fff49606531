"""Handwritten digits at 32x32 from scikit-learn's ``load_digits``, split once and for all.

The 1,797 images of 8x8 pixels come with scikit-learn, so nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from spaces.workload import Array, Inputs

Images = NDArray[np.float32]
Labels = NDArray[np.int64]
SIDE = 32


class Split(NamedTuple):
    """Images of shape (n, 3, 32, 32) in about [-1, 1], and their labels of shape (n,)."""

    images: Images
    labels: Labels

    def batches(self, size: int = 100) -> Iterator[tuple[Inputs, Array]]:
        """Yield the images in order, ``size`` at a time; the last batch may be smaller."""
        for start in range(0, len(self.labels), size):
            chosen = slice(start, start + size)
            yield {"image": self.images[chosen]}, self.labels[chosen]

    def training_batches(
        self, rng: np.random.Generator, size: int, max_shift: int
    ) -> Iterator[tuple[Inputs, Array]]:
        """Yield one shuffled epoch, each image moved by up to ``max_shift`` pixels either way.

        An incomplete last batch is left out, because BatchNorm would learn from too few images.
        """
        order = rng.permutation(len(self.labels))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield {"image": shifted(self.images[chosen], rng, max_shift)}, self.labels[chosen]


class DigitSplits(NamedTuple):
    """Three disjoint splits, stratified by class."""

    train: Split
    validation: Split
    test: Split


def digit_splits(seed: int, *, held_out: int) -> DigitSplits:
    """Load the digits, shuffled: ``held_out`` images each for validation and test."""
    raw = load_digits()
    images = _upsampled(raw.images)
    labels = raw.target.astype(np.int64)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=held_out, stratify=labels, random_state=seed
    )
    train, validation = train_test_split(
        rest, test_size=held_out, stratify=labels[rest], random_state=seed
    )
    return DigitSplits(*(Split(images[i], labels[i]) for i in (train, validation, test)))


def with_noise(splits: DigitSplits, seed: int, noise: float, max_shift: int) -> DigitSplits:
    """Move every image by up to ``max_shift`` pixels and add Gaussian noise, once and for all."""
    rng = np.random.default_rng(seed)

    def spoilt(split: Split) -> Split:
        images = shifted(split.images, rng, max_shift)
        added = rng.standard_normal(images.shape, np.float32) * np.float32(noise)
        return Split(images + added, split.labels)

    return DigitSplits(*(spoilt(split) for split in splits))


def shifted(images: Images, rng: np.random.Generator, max_shift: int) -> Images:
    """Return the images, each moved by its own random whole pixels, the border repeated."""
    padding = ((0, 0), (0, 0), (max_shift, max_shift), (max_shift, max_shift))
    padded = np.pad(images, padding, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE), axis=(2, 3))
    rows, columns = rng.integers(0, 2 * max_shift + 1, (2, len(images)))
    return np.ascontiguousarray(windows[np.arange(len(images)), :, rows, columns])


def _upsampled(small: NDArray[np.float64]) -> Images:
    """Turn (n, 8, 8) in [0, 16] into (n, 3, 32, 32) in [-1, 1], bilinearly."""
    centres = (np.arange(SIDE) + 0.5) * small.shape[1] / SIDE - 0.5
    weights = np.stack(
        [np.interp(centres, np.arange(small.shape[1]), row) for row in np.eye(small.shape[1])]
    ).T
    grey = (weights @ small @ weights.T / 8 - 1).astype(np.float32)
    return np.repeat(grey[:, None], 3, axis=1)
