"""The smallest real workload: a convolutional net that tells horizontal from vertical stripes.

Copied beside a space file by the fixture ``tiny_workload_file``; it trains in under a second.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spaces.workload import Workload

PIXELS = 8
BATCH_SIZE = 40


def stripes(count, seed):
    """Return noisy images of shape (count, 1, PIXELS, PIXELS) and the direction of each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    wave = np.sin(np.arange(PIXELS) * 1.6 + rng.uniform(0, 6.28, (count, 1)))
    rows = np.repeat(wave[:, :, None], PIXELS, axis=2)
    images = np.where(labels[:, None, None] == 1, rows, rows.transpose(0, 2, 1))
    noisy = images + rng.normal(0, 0.7, images.shape)
    return noisy[:, None].astype(np.float32), labels.astype(np.int64)


def net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 2),
    )


class Tiny(Workload):
    def model(self):
        return self.trained(net, self.fit)

    def fit(self, module):
        optimizer = torch.optim.Adam(module.parameters(), 0.01)
        for _ in range(4):
            for inputs, targets in self.train_batches():
                loss = self.loss([module(torch.from_numpy(inputs["image"]))], torch.tensor(targets))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def example_inputs(self):
        return {"image": np.zeros((1, 1, PIXELS, PIXELS), np.float32)}

    def train_batches(self):
        images, labels = stripes(320, seed=0)
        order = self.rng.permutation(len(labels))
        return [
            ({"image": images[rows]}, labels[rows])
            for rows in np.split(order, len(order) // BATCH_SIZE)
        ]

    def calibration_batches(self):
        return self.split(80, seed=1)

    def validation_batches(self):
        return self.split(120, seed=2)

    def test_batches(self):
        return self.split(120, seed=3)

    def split(self, count, seed):
        images, labels = stripes(count, seed)
        starts = range(0, count, BATCH_SIZE)
        return [
            ({"image": images[at : at + BATCH_SIZE]}, labels[at : at + BATCH_SIZE]) for at in starts
        ]

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets
