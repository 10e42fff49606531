"""Fine-tune a pruned student with the unpruned teacher as a guide.

A run of n epochs has a schedule of its own that ends at n: the middle of a longer one says little
about where either ends.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sized
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from evaluators.compress.sparsity_pattern import pattern_held
from evaluators.compress.teacher_outputs import (
    TeacherOutputs,
    teacher_outputs_of,
    training_outputs,
)
from evaluators.failures import CandidateRejected
from spaces.workload import Array, FineTunesItself, Inputs, Workload

_PRUNED_PEAKS = {0: 0.05, 8: 0.1}
_RECONSTRUCTED_PEAKS = {0: 0.005, 4: 0.05, 8: 0.1, 16: 0.2}
"""Epochs from which on -> learning rate at the peak of the cycle."""
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
WARM_UP_SHARE = 0.2


def pruned_learning_rate(epochs: int) -> float:
    """Return the peak for a model that pruning left with weights that no longer fit."""
    return _peak(_PRUNED_PEAKS, epochs)


def reconstructed_learning_rate(epochs: int) -> float:
    """Return the peak for a model that reconstruction brought near the teacher, or that is whole.

    A short training must not undo what reconstruction gave. A long one has the time to go beyond
    it, and at a low rate it never leaves the teacher's own minimum: ResNet-20 of double width on
    noisy digits (teacher 91.7 %), mean accuracy in % of five sparsities from 0.2 to 0.8 after 8
    epochs, 92.1 with a peak of 0.05, 93.0 with 0.1 and 92.9 with 0.2; as pruned, without
    reconstruction, 91.6 with 0.05 and 92.6 with 0.1.
    """
    return _peak(_RECONSTRUCTED_PEAKS, epochs)


def _peak(peaks: Mapping[int, float], epochs: int) -> float:
    return peaks[max(fewest for fewest in peaks if fewest <= epochs)]


@dataclass(frozen=True, slots=True)
class DistillReport:
    """What fine-tuning did.

    Attributes:
        losses: Mean loss of each epoch; empty where the workload fine-tunes itself.
        kept_steps: In how many steps the teacher's outputs were found instead of computed.
    """

    epochs: int
    steps: int
    losses: list[float]
    kept_steps: int = 0


def distill(
    student: nn.Module,
    teacher: nn.Module,
    workload: Workload,
    *,
    temperature: float,
    alpha: float,
    epochs: int,
    seed: int,
    learning_rate: float,
    has_pattern: bool = False,
    kept: TeacherOutputs | None = None,
) -> DistillReport:
    """Train the student in place; it ends in eval mode.

    The loss is ``alpha * workload.distillation_loss + (1 - alpha) * workload.loss``. A workload
    with a ``finetune`` of its own is left to do it. With 0 epochs nothing changes.

    Args:
        student: Changed.
        teacher: Not changed.
        workload: Its training data, and its losses.
        temperature: Above 0.
        alpha: The teacher's share of the loss, in [0, 1].
        epochs: Passes over the training data; the learning rate falls to zero in the last.
        seed: The same seed gives the same weights, on the same machine and thread count.
        learning_rate: At the peak of the cycle.
        has_pattern: Whether the student has the 2:4 pattern. Then it has it after every step, too.
        kept: What the teacher said about these batches before; the result is the same without.

    Raises:
        CandidateRejected: If the loss is no longer finite.
    """
    _check(temperature, alpha, epochs)
    report = DistillReport(epochs, 0, [])
    if epochs == 0:
        return report
    holding: AbstractContextManager[None] = pattern_held(student) if has_pattern else nullcontext()
    with torch.random.fork_rng(devices=[]), holding:
        torch.manual_seed(seed)
        workload.rng = np.random.default_rng(seed)
        if isinstance(workload, FineTunesItself):
            workload.finetune(
                student, teacher, temperature=temperature, alpha=alpha, epochs=epochs, seed=seed
            )
        else:
            guide = _Guide(copy.deepcopy(teacher).eval(), kept)
            loss = _Loss(student, guide, workload, temperature, alpha)
            report = _train(loss, epochs, seed, learning_rate)
    student.eval()
    return report


class _Guide:
    """The teacher's outputs on one batch after another, kept or computed."""

    def __init__(self, teacher: nn.Module, kept: TeacherOutputs | None) -> None:
        self._teacher = teacher
        self._kept = kept
        self.found = 0

    def __call__(self, inputs: Inputs) -> tuple[torch.Tensor, ...]:
        found = self._kept.of(inputs) if self._kept is not None else None
        if found is None:
            return teacher_outputs_of(self._teacher, inputs)
        self.found += 1
        return found


class _Loss:
    """The loss of one batch, with the models that it needs."""

    def __init__(
        self,
        student: nn.Module,
        guide: _Guide,
        workload: Workload,
        temperature: float,
        alpha: float,
    ) -> None:
        self.student = student
        self.guide = guide
        self.workload = workload
        self._temperature = temperature
        self._alpha = alpha

    def __call__(self, inputs: Inputs, targets: Array) -> torch.Tensor:
        outputs = training_outputs(self.student, inputs)
        loss = torch.zeros(())
        if self._alpha > 0:
            guide = self.guide(inputs)
            imitation = self.workload.distillation_loss(outputs, guide, self._temperature)
            loss = loss + self._alpha * imitation
        if self._alpha < 1:
            task = self.workload.loss(outputs, torch.tensor(targets))
            loss = loss + (1 - self._alpha) * task
        return loss


def _train(loss_of: _Loss, epochs: int, seed: int, learning_rate: float) -> DistillReport:
    workload = loss_of.workload
    steps_per_epoch = _steps_per_epoch(workload)
    workload.rng = np.random.default_rng(seed)
    optimizer = torch.optim.SGD(
        loss_of.student.parameters(),
        learning_rate,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=epochs * steps_per_epoch, pct_start=WARM_UP_SHARE
    )
    loss_of.student.train()
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for inputs, targets in workload.train_batches():
            loss = loss_of(inputs, targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += _finite(loss.item(), epoch)
        losses.append(total / steps_per_epoch)
    return DistillReport(epochs, epochs * steps_per_epoch, losses, loss_of.guide.found)


def _steps_per_epoch(workload: Workload) -> int:
    batches = workload.train_batches()
    return len(batches) if isinstance(batches, Sized) else sum(1 for _ in batches)


def _finite(loss: float, epoch: int) -> float:
    if math.isfinite(loss):
        return loss
    raise CandidateRejected(
        f"distillation must keep the loss finite, but it is {loss} in epoch {epoch + 1}. "
        "Lower distillation.temperature or the sparsity, or check the workload's loss."
    )


def _check(temperature: float, alpha: float, epochs: int) -> None:
    if not temperature > 0:
        raise ValueError(f"distillation.temperature must be above 0, but got {temperature}.")
    if not 0 <= alpha <= 1:
        raise ValueError(f"distillation.alpha must be in [0, 1], but got {alpha}.")
    if epochs < 0:
        raise ValueError(f"distillation.epochs must be 0 or more, but got {epochs}.")
