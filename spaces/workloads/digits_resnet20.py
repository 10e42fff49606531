"""ResNet-20 on noisy digits: 273 k parameters, 40.8 MMAC, about 92 % accuracy.

On the plain digits every model is nearly perfect. These are noisy and off centre, and there are
fewer to learn from, so that what compression costs can be seen. The teacher takes about 15 s to
train on two cores, once.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from spaces.workloads.digits import DigitSplits, digit_splits, with_noise
from spaces.workloads.digits_resnet8 import Digits

NOISE = 1.65
"""Standard deviation; the images themselves span [-1, 1]."""
OFF_CENTRE = 6
"""Pixels."""


class HardDigits(Digits):
    """Digits under noise: 597 training, 600 validation and 600 test images."""

    blocks_per_stage: ClassVar[int] = 3
    epochs: ClassVar[int] = 30
    max_shift: ClassVar[int] = 2

    @cached_property
    def splits(self) -> DigitSplits:
        """The images, split, moved and made noisy by ``seed``."""
        return with_noise(digit_splits(self.seed, held_out=600), self.seed, NOISE, OFF_CENTRE)
