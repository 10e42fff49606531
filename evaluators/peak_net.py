"""Nets that are nothing but convolutions: what an engine reaches with them is the most it can.

As workloads they go through the very stages that a person's model goes through, in every form that
an engine eats. Input and output are small, so that a query is arithmetic and hardly anything else.
The weights are random and there is nothing to learn: nobody asks what these nets answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spaces.workload import Array, Batches, Inputs, Workload

if TYPE_CHECKING:
    from torch import nn

_CHANNELS_IN = 16


class Convolutions(Workload):
    """For a CPU: 0.46 GMAC.

    A layer's weights take 0.6 MB in float32, and what flows between two layers 0.4 MB, so that the
    caches of a core hold both.
    """

    channels: ClassVar[int] = 128
    side: ClassVar[int] = 28
    layers: ClassVar[int] = 4

    def model(self) -> nn.Module:
        """Return the net, the same weights every time."""
        import torch
        from torch import nn

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            parts: list[nn.Module] = [nn.Conv2d(_CHANNELS_IN, self.channels, 1), nn.ReLU()]
            for _ in range(self.layers):
                parts += [nn.Conv2d(self.channels, self.channels, 3, padding=1), nn.ReLU()]
            return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def example_inputs(self) -> Inputs:
        """Return one input without anything in it."""
        return {"image": np.zeros((1, _CHANNELS_IN, self.side, self.side), np.float32)}

    def train_batches(self) -> Batches:
        """Return one sample: nothing is trained."""
        return self._noise(1, seed=0)

    def calibration_batches(self) -> Batches:
        """Return what an integer net takes its ranges from."""
        return self._noise(4, seed=1)

    def validation_batches(self) -> Batches:
        """Return what is timed."""
        return self._noise(8, seed=2)

    def test_batches(self) -> Batches:
        """Return one sample: nobody asks for it."""
        return self._noise(1, seed=3)

    def score(self, outputs: Sequence[Array], targets: Array) -> Array:
        """Return which samples are of the class that none is taught."""
        return np.asarray(outputs[0].argmax(1) == targets)

    def _noise(self, count: int, seed: int) -> Iterator[tuple[Inputs, Array]]:
        shape = (count, _CHANNELS_IN, self.side, self.side)
        noise = np.random.default_rng(seed).standard_normal(shape, np.float32)
        yield {"image": noise}, np.zeros(count, np.int64)


class LargeConvolutions(Convolutions):
    """For a GPU, which a small net leaves half idle: 59 GMAC."""

    channels: ClassVar[int] = 256
    side: ClassVar[int] = 112
    layers: ClassVar[int] = 8
