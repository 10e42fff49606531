"""Objectives by name: their direction and unit, and how much of a difference counts.

Space files, Optuna, CSV and JSON show milliseconds and MiB; inside the code everything is SI. This
is the single place where one becomes the other.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

Direction = Literal["minimize", "maximize"]

_MIB = 1 / 2**20
_TYPO_RATIO = 0.75
_LATENCY_RESOLUTION, _MEMORY_RESOLUTION, _POWER_RESOLUTION = 0.02, 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Objective:
    """One axis of the front.

    Attributes:
        name: As people see it, with its unit.
        unit: As people see it; empty for a fraction.
        si_name: The same quantity inside the code, in SI units.
        factor: Shown value for one SI unit.
        resolution: Relative difference below which two values are equal on the front; 0 where
            every difference counts.
    """

    name: str
    direction: Direction
    unit: str
    si_name: str
    factor: float = 1.0
    resolution: float = 0.0

    def shown_from_si(self, value: float) -> float:
        """Return an SI value in the unit people see."""
        return value * self.factor

    def si_from_shown(self, value: float) -> float:
        """Return a value that a person wrote in SI."""
        return value / self.factor

    def as_cost(self, value: float) -> float:
        """Return a value as what is to be small, in the same unit, or turn such a cost back."""
        return value if self.direction == "minimize" else -value


def _latency(percentile: int) -> Objective:
    name = f"latency_p{percentile}"
    return Objective(f"{name}_ms", "minimize", "ms", f"{name}_s", 1e3, _LATENCY_RESOLUTION)


def _memory(what: str) -> Objective:
    si_name = f"{what}_bytes"
    return Objective(f"{what}_mib", "minimize", "MiB", si_name, _MIB, _MEMORY_RESOLUTION)


ACCURACY = Objective("accuracy", "maximize", "", "accuracy")
OBJECTIVES = {
    objective.name: objective
    for objective in (
        _latency(50),
        _latency(90),
        _latency(99),
        Objective(
            "throughput_per_s", "maximize", "/s", "throughput_per_s", 1.0, _LATENCY_RESOLUTION
        ),
        _memory("peak_memory"),
        _memory("device_memory"),
        _memory("model_size"),
        Objective("power_w", "minimize", "W", "power_w", 1.0, _POWER_RESOLUTION),
        Objective("energy_mj", "minimize", "mJ", "energy_j", 1e3, _POWER_RESOLUTION),
        ACCURACY,
    )
}
"""Every objective that is measured whatever the workload and the engine are."""


def figure_objective(si_name: str, direction: Direction) -> Objective:
    """Return the objective of a figure that an engine adds: ``ethosu_sram_bytes``.

    Bytes are shown as MiB, counts as they are.
    """
    if si_name.endswith("_bytes"):
        return replace(_memory(si_name.removesuffix("_bytes")), direction=direction)
    resolution = _LATENCY_RESOLUTION if si_name.endswith("_cycles") else 0.0
    return Objective(si_name, direction, "", si_name, resolution=resolution)


_BARE_WORDS = {
    "latency": "latency_p90_ms",
    "latency_ms": "latency_p90_ms",
    "memory": "peak_memory_mib",
    "power": "power_w",
    "energy": "energy_mj",
    "size": "model_size_mib",
    "throughput": "throughput_per_s",
}


def objective(name: str) -> Objective:
    """Return a known objective.

    Raises:
        KeyError: If ``name`` is the workload's own metric, or what an engine adds.
    """
    return OBJECTIVES[name]


def likely_objective(name: str) -> str | None:
    """Return the objective that an unknown name was probably meant to be, or None.

    Words that contain ``accuracy`` (``top1_accuracy``) are left to the workload's own metric.
    """
    if name in _BARE_WORDS:
        return _BARE_WORDS[name]
    if name in OBJECTIVES or "accuracy" in name:
        return None
    found = difflib.get_close_matches(name, OBJECTIVES, n=1, cutoff=_TYPO_RATIO)
    return found[0] if found else None
