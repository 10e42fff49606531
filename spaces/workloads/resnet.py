"""ResNets for 32x32 images: MLPerf Tiny's ResNet-8 with one block a stage, ResNet-20 with three.

Layers, strides and biases are those of MLPerf Tiny's image classification [1]; its ResNet-8 counts
78,666 weights, BatchNorm statistics included, and 12.5 million multiply-accumulates.

References:
    [1] mlcommons/tiny, benchmark/training/image_classification/keras_model.py.
"""

from __future__ import annotations

import torch
from torch import nn

STAGE_CHANNELS = (16, 32, 64)


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut, which is a 1x1 convolution where shapes change."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and channels_in == channels_out
            else nn.Conv2d(channels_in, channels_out, 1, stride)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels_in, h, w) to (batch, channels_out, h / stride, w / stride)."""
        inner = torch.relu(self.norm1(self.conv1(images)))
        return torch.relu(self.norm2(self.conv2(inner)) + self.shortcut(images))


class ResNet(nn.Module):
    """A residual network of three stages; depth is 6 * blocks_per_stage + 2.

    Args:
        blocks_per_stage: Blocks of two convolutions each.
        class_count: Length of the logits.
        width: What the channels of every stage are multiplied by.
    """

    def __init__(self, blocks_per_stage: int, class_count: int = 10, *, width: int = 1) -> None:
        super().__init__()
        channels = tuple(width * count for count in STAGE_CHANNELS)
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, padding=1),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        )
        widths = (channels[0], *channels)
        self.stage1, self.stage2, self.stage3 = (
            _stage(widths[i], widths[i + 1], 1 if i == 0 else 2, blocks_per_stage) for i in range(3)
        )
        self.classifier = nn.Linear(channels[-1], class_count)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images of shape (batch, 3, 32, 32) to logits of shape (batch, class_count)."""
        features = self.stage3(self.stage2(self.stage1(self.stem(image))))
        pooled = nn.functional.adaptive_avg_pool2d(features, 1).flatten(1)
        logits: torch.Tensor = self.classifier(pooled)
        return logits


def _stage(channels_in: int, channels_out: int, stride: int, blocks: int) -> nn.Sequential:
    first = Block(channels_in, channels_out, stride)
    return nn.Sequential(first, *(Block(channels_out, channels_out, 1) for _ in range(blocks - 1)))
