"""One point of the search space: everything that decides which bytes are built and how they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluators.flag import FlagValue

POWER_MODE = "device.power_mode"
"""Name of the parameter, whatever the engine."""
Sparsity = float | Mapping[str, float]
"""Fraction of channels removed: one for the whole model, or one per group of layers."""
DENSE = "dense"
"""Weights without a pattern of zeros."""


@dataclass(frozen=True, slots=True)
class Distillation:
    """Fine-tuning from the unpruned teacher: ``alpha`` is the teacher's share of the loss."""

    epochs: int
    temperature: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one trial evaluates.

    Example:
        ``Candidate("openvino", "int8", 0.5, Distillation(2, 4.0, 0.5), {}, {"threads": 1})`` has
        ``params()`` of ``{"engine": "openvino", "precision": "int8", "sparsity": 0.5,
        "pruning.importance": "l2", "pruning.round_to": 16, "distillation.epochs": 2,
        "distillation.temperature": 4.0, "distillation.alpha": 0.5, "openvino.threads": 1}``.

    Attributes:
        sparsity_pattern: Of the zeros among a layer's weights: ``dense`` or ``2:4``; None where the
            space or the engine leaves no choice, which is dense.
        distillation: None where nothing is fine-tuned.
        quantization: Settings of the quantizer; empty for a precision that isn't quantized.
        flags: Every flag of the engine, by its name without the engine's.
        round_to: Kernels compute whole vectors of 16: with AVX-512, ResNet-20 takes ONNX Runtime as
            long with 40 channels in its last stage as with 48 (364 and 365 us), and with 12 in its
            first longer than with 16 (410 and 405 us; int8 321 and 239 us).
        power_mode: What the device is set to while it is measured; None leaves it as it is. It
            decides nothing of what is built.
    """

    engine: str
    precision: str
    sparsity: Sparsity = 0.0
    distillation: Distillation | None = None
    quantization: Mapping[str, FlagValue] = field(default_factory=dict)
    flags: Mapping[str, FlagValue] = field(default_factory=dict)
    importance: str = "l2"
    round_to: int = 16
    power_mode: str | None = None
    sparsity_pattern: str | None = None

    @property
    def is_pruned(self) -> bool:
        """Say whether any weight is asked to go: whole channels, or what a pattern leaves out."""
        return self.loses_channels or self.has_pattern

    @property
    def loses_channels(self) -> bool:
        """Say whether any channel is asked to go."""
        if isinstance(self.sparsity, Mapping):
            return any(value > 0 for value in self.sparsity.values())
        return self.sparsity > 0

    @property
    def has_pattern(self) -> bool:
        """Say whether weights are asked to be zero in a pattern."""
        return self.sparsity_pattern not in {None, DENSE}

    @property
    def epochs(self) -> int:
        """Return how many epochs of fine-tuning it has; 0 without any."""
        return self.distillation.epochs if self.distillation else 0

    def params(self) -> dict[str, FlagValue]:
        """Return the candidate as the flat, dotted names that tables and files show."""
        shown: dict[str, FlagValue] = {"engine": self.engine, "precision": self.precision}
        if isinstance(self.sparsity, Mapping):
            shown |= {f"sparsity.{group}": value for group, value in self.sparsity.items()}
        else:
            shown["sparsity"] = self.sparsity
        if self.sparsity_pattern is not None:
            shown["sparsity_pattern"] = self.sparsity_pattern
        if self.loses_channels:
            shown |= {"pruning.importance": self.importance, "pruning.round_to": self.round_to}
        shown["distillation.epochs"] = self.epochs
        if self.distillation:
            shown["distillation.temperature"] = self.distillation.temperature
            shown["distillation.alpha"] = self.distillation.alpha
        shown |= {f"quantization.{name}": value for name, value in self.quantization.items()}
        shown |= {f"{self.engine}.{name}": value for name, value in self.flags.items()}
        return shown if self.power_mode is None else {**shown, POWER_MODE: self.power_mode}
