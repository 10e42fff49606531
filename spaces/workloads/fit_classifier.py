"""Train a small image classifier from scratch: SGD in one cycle, with label smoothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from spaces.training_precision import channels_last, training_autocast
from spaces.workload import Batches

PEAK_LEARNING_RATE = 0.1
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.1


def fit_classifier(
    module: nn.Module, epoch: Callable[[], Batches], *, epochs: int, steps_per_epoch: int
) -> None:
    """Train ``module`` in place on batches of one input; ``epoch`` returns those of one epoch."""
    optimizer = torch.optim.SGD(
        module.parameters(),
        PEAK_LEARNING_RATE,
        momentum=0.9,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=epochs * steps_per_epoch, pct_start=0.2
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    module.train()
    for _ in range(epochs):
        for inputs, targets in epoch():
            (images,) = (channels_last(torch.from_numpy(array)) for array in inputs.values())
            with training_autocast():
                loss = loss_of(module(images), torch.from_numpy(targets))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
