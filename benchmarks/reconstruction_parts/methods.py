"""Ways from a trained model to a smaller one, each with the CPU time that it takes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from evaluators.compress.coupled_layers import LAYERS, width
from evaluators.compress.dense_targets import DenseTargets, dense_targets
from evaluators.compress.distill import (
    distill,
    pruned_learning_rate,
    reconstructed_learning_rate,
)
from evaluators.compress.prune import prune
from evaluators.compress.reconstruct import reconstruct
from evaluators.compress.sparsity_pattern import impose_pattern, pattern_masks
from evaluators.compress.teacher_outputs import (
    TeacherOutputs,
    keep_teacher_outputs,
    read_teacher_outputs,
)
from spaces.workload import Array
from spaces.workloads.digits_resnet8 import Digits

IMPORTANCE, ROUND_TO, TEMPERATURE, ALPHA = "l2", 8, 4.0, 0.5
Kept = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Accuracy on the validation split, and the CPU time that it took to get there."""

    accuracy: float
    cpu_s: float


@dataclass(slots=True)
class Bench:
    """One workload under one seed of distillation.

    The teacher's outputs are kept before anything is timed, for every method alike.
    """

    workload: Digits
    seed: int
    folder: Path
    epochs: int
    teacher: nn.Module = field(init=False)
    kept_outputs: TeacherOutputs = field(init=False)

    def __post_init__(self) -> None:
        self.teacher = self.workload.model().eval()
        whole = range(self.epochs)
        keep_teacher_outputs(self.teacher, self.workload, whole, self.seed, self.folder)
        self.kept_outputs = read_teacher_outputs([self.folder])

    def accuracy(self, model: nn.Module) -> float:
        """Return the share of validation images that are classified rightly."""
        split = self.workload.splits.validation
        with torch.no_grad():
            logits = model.eval()(torch.from_numpy(split.images)).numpy()
        return float(self.workload.score([logits], split.labels).mean())

    def calibration(self) -> list[Array]:
        """Return the calibration images."""
        return [np.concatenate([b["image"] for b, _ in self.workload.calibration_batches()])]

    def pruned(self, sparsity: float) -> tuple[nn.Module, Kept]:
        """Prune the teacher."""
        example = self.workload.example_inputs()
        student, report = prune(
            self.teacher, example, sparsity, importance=IMPORTANCE, round_to=ROUND_TO
        )
        return student, report.kept_channels

    def tune(
        self,
        student: nn.Module,
        epochs: int,
        learning_rate: float,
        *,
        has_pattern: bool = False,
    ) -> None:
        """Fine-tune in place."""
        distill(
            student,
            self.teacher,
            self.workload,
            temperature=TEMPERATURE,
            alpha=ALPHA,
            epochs=epochs,
            seed=self.seed,
            learning_rate=learning_rate,
            has_pattern=has_pattern,
            kept=self.kept_outputs,
        )


def plain(bench: Bench, levels: Iterable[float], epochs: int) -> dict[float, Outcome]:
    """Prune and fine-tune."""

    def method(sparsity: float) -> nn.Module:
        student, _ = bench.pruned(sparsity)
        bench.tune(student, epochs, pruned_learning_rate(epochs))
        return student

    return _timed(bench, levels, method)


def statistics_only(bench: Bench, levels: Iterable[float]) -> dict[float, Outcome]:
    """Prune, and average BatchNorm's statistics anew over the calibration images."""

    def method(sparsity: float) -> nn.Module:
        student, _ = bench.pruned(sparsity)
        for module in student.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        with torch.no_grad():
            student.train()(*map(torch.from_numpy, bench.calibration()))
        return student

    return _timed(bench, levels, method)


def reconstructed(bench: Bench, levels: Iterable[float], epochs: int) -> dict[float, Outcome]:
    """Prune, reconstruct and fine-tune; the unpruned model's answers are part of the first."""

    def tune(student: nn.Module, _targets: DenseTargets, _kept: Kept) -> None:
        bench.tune(student, epochs, reconstructed_learning_rate(epochs))

    return _timed(bench, levels, _reconstructing(bench, tune))


def patterned(
    bench: Bench, levels: Iterable[float], epochs: int, *, is_reconstructed: bool
) -> dict[float, Outcome]:
    """Prune, reconstruct, impose 2:4, reconstruct around its zeros or not, and fine-tune."""

    def tune(student: nn.Module, targets: DenseTargets, kept: Kept) -> None:
        impose_pattern(student)
        if is_reconstructed:
            reconstruct(student, targets, kept, pattern_masks(student))
        bench.tune(student, epochs, reconstructed_learning_rate(epochs), has_pattern=True)

    return _timed(bench, levels, _reconstructing(bench, tune))


def _reconstructing(
    bench: Bench, tune: Callable[[nn.Module, DenseTargets, Kept], None]
) -> Callable[[float], nn.Module]:
    """Return what prunes and reconstructs, and then tunes; the targets are part of the first."""
    targets = None

    def method(sparsity: float) -> nn.Module:
        nonlocal targets
        targets = targets or dense_targets(bench.teacher, bench.calibration(), seed=bench.seed)
        student, kept = bench.pruned(sparsity)
        reconstruct(student, targets, kept)
        tune(student, targets, kept)
        return student

    return method


def from_next_lower(bench: Bench, levels: Iterable[float], epochs: int) -> dict[float, Outcome]:
    """Prune the fine-tuned model of the level before, reconstruct that one and fine-tune.

    Its own answers are the targets, not the unpruned model's: its BatchNorm statistics are its own.
    """
    model = copy.deepcopy(bench.teacher)

    def method(sparsity: float) -> nn.Module:
        nonlocal model
        targets = dense_targets(model, bench.calibration(), seed=bench.seed)
        model, kept = _pruned_further(bench, model, sparsity)
        reconstruct(model, targets, kept)
        bench.tune(model, epochs, reconstructed_learning_rate(epochs))
        return model

    return _timed(bench, levels, method)


def _pruned_further(bench: Bench, model: nn.Module, sparsity: float) -> tuple[nn.Module, Kept]:
    """Prune a pruned model to the widths that the teacher would have at this sparsity."""
    smaller, cut = bench.pruned(sparsity)
    wanted, now = _widths(smaller), _widths(model)
    fractions = {name: 1 - wanted[name] / now[name] for name in cut}
    if not any(fractions.values()):
        return copy.deepcopy(model), {}
    student, report = prune(
        model, bench.workload.example_inputs(), fractions, importance=IMPORTANCE, round_to=1
    )
    return student, report.kept_channels


def _widths(model: nn.Module) -> dict[str, int]:
    return {n: width(module) for n, module in model.named_modules() if isinstance(module, LAYERS)}


def _timed(
    bench: Bench, levels: Iterable[float], method: Callable[[float], nn.Module]
) -> dict[float, Outcome]:
    found = {}
    for level in levels:
        start = time.process_time()
        model = method(level)
        cpu_s = time.process_time() - start
        found[level] = Outcome(bench.accuracy(model), cpu_s)
    return found
