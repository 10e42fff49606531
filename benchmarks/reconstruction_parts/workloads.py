"""What is compressed: both shipped workloads, and a net with depthwise convolutions."""

from __future__ import annotations

import torch
from torch import nn

from spaces.workloads.digits_resnet20 import HardDigits

WIDTHS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1))
"""Output channels and stride of each separable convolution."""


class SeparableNet(nn.Module):
    """A small MobileNet v1: depthwise 3x3 and pointwise 1x1 convolutions, without biases."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = _convolution(3, 32, 3, stride=1, groups=1)
        channels = 32
        for width, stride in WIDTHS:
            layers += _convolution(channels, channels, 3, stride=stride, groups=channels)
            layers += _convolution(channels, width, 1, stride=1, groups=1)
            channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images of shape (batch, 3, 32, 32) to logits of shape (batch, 10)."""
        logits: torch.Tensor = self.classifier(self.features(image).mean((2, 3)))
        return logits


class SeparableDigits(HardDigits):
    """The hard digits, classified by the net with depthwise convolutions."""

    def model(self) -> nn.Module:
        """Return the trained net."""
        return self.trained(SeparableNet, self._fit)


def _convolution(
    channels_in: int, channels_out: int, kernel: int, *, stride: int, groups: int
) -> list[nn.Module]:
    return [
        nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]
