"""What the parent knows of a workload without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """What the build worker says of a workload.

    Attributes:
        fingerprint: SHA-256 of its code and data.
        metric: Name of the metric.
        direction: ``maximize`` or ``minimize``.
        inputs: Name -> (shape, dtype) of one sample.
        is_trainable: False for a model that exists only as ONNX.
        modules: Names of the model's modules, for sparsity by group.
    """

    fingerprint: str
    metric: str
    direction: str
    inputs: Mapping[str, Any]
    is_trainable: bool
    modules: tuple[str, ...]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Make the facts of what the build worker answers to ``describe``."""
        return cls(**{**body, "modules": tuple(body["modules"])})
