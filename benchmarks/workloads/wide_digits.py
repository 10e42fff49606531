"""The hard digits on a ResNet-20 of double width: 1.09 M parameters, 162 MMAC."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np
from torch import nn

from spaces.workloads.digits import DigitSplits, Split, digit_splits, with_noise
from spaces.workloads.digits_resnet20 import NOISE, OFF_CENTRE, HardDigits
from spaces.workloads.resnet import ResNet

WIDTH = 2
VIEWS = 4


class WideDigits(HardDigits):
    """Digits under noise, for a wide model: what the replay's table was recorded with."""

    def model(self) -> nn.Module:
        """Return the trained ResNet."""
        return self.trained(lambda: ResNet(self.blocks_per_stage, width=WIDTH), self._fit)


class ManyWideDigits(WideDigits):
    """Each digit under four noises: 2,388 training, 2,400 validation and 2,400 test images.

    So many for two reasons: fine-tuning takes a minute, and the luck of one training counts for
    less. Of 600 validation images an accuracy has a standard error of a point, which is 7 % of the
    hypervolume that a search reaches: what came within 98 % of the best was the luckiest. As the
    views of a digit have its shape in common, intervals of accuracy are narrower than they should.
    """

    epochs: ClassVar[int] = 10

    @cached_property
    def splits(self) -> DigitSplits:
        """The images, split by ``seed``, each moved and made noisy several times."""
        plain = digit_splits(self.seed, held_out=600)
        seeds = np.random.SeedSequence(self.seed).generate_state(VIEWS)
        views = [with_noise(plain, int(seed), NOISE, OFF_CENTRE) for seed in seeds]
        return DigitSplits(*(_together(split) for split in zip(*views, strict=True)))


def _together(views: tuple[Split, ...]) -> Split:
    images, labels = zip(*views, strict=True)
    return Split(np.concatenate(images), np.concatenate(labels))
