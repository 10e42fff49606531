"""The hard digits on a ResNet-20 of double width: 1.09 M parameters, 162 MMAC."""

from __future__ import annotations

from torch import nn

from spaces.workloads.digits_resnet20 import HardDigits
from spaces.workloads.resnet import ResNet

WIDTH = 2


class WideDigits(HardDigits):
    """Digits under noise, for a model whose fine-tuning takes a minute or more."""

    def model(self) -> nn.Module:
        """Return the trained ResNet."""
        return self.trained(lambda: ResNet(self.blocks_per_stage, width=WIDTH), self._fit)
