"""ResNet-8 of MLPerf Tiny on handwritten digits: 78 k parameters, 12.5 MMAC, about 99 % accuracy.

The teacher takes about 10 s to train on two cores, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from torch import nn

from spaces.workload import Array, Batches, Inputs, Workload
from spaces.workloads.digits import DigitSplits, Split, digit_splits
from spaces.workloads.fit_classifier import fit_classifier
from spaces.workloads.resnet import ResNet

BATCH_SIZE = 64
CALIBRATION_SIZE = 200


class Digits(Workload):
    """The digits as they are: 957 training, 420 validation and 420 test images."""

    blocks_per_stage: ClassVar[int] = 1
    epochs: ClassVar[int] = 20
    max_shift: ClassVar[int] = 4
    seed: ClassVar[int] = 0

    @cached_property
    def splits(self) -> DigitSplits:
        """The images, split by ``seed``."""
        return digit_splits(self.seed, held_out=420)

    def model(self) -> nn.Module:
        """Return the trained ResNet."""
        return self.trained(lambda: ResNet(self.blocks_per_stage), self._fit)

    def example_inputs(self) -> Inputs:
        """Return a grey image."""
        return {"image": np.zeros((1, 3, 32, 32), np.float32)}

    def train_batches(self) -> Batches:
        """Return every training image once, moved by a few pixels."""
        return self.splits.train.training_batches(self.rng, BATCH_SIZE, self.max_shift)

    def calibration_batches(self) -> Batches:
        """Return the first training images; the split has shuffled them."""
        train = self.splits.train
        return Split(train.images[:CALIBRATION_SIZE], train.labels[:CALIBRATION_SIZE]).batches()

    def validation_batches(self) -> Batches:
        """Return the validation images in order."""
        return self.splits.validation.batches()

    def test_batches(self) -> Batches:
        """Return the test images in order."""
        return self.splits.test.batches()

    def score(self, outputs: Sequence[Array], targets: Array) -> Array:
        """Return which images are classified rightly."""
        return np.asarray(outputs[0].argmax(1) == targets)

    def _fit(self, module: nn.Module) -> None:
        steps = len(self.splits.train.labels) // BATCH_SIZE
        fit_classifier(module, self.train_batches, epochs=self.epochs, steps_per_epoch=steps)
