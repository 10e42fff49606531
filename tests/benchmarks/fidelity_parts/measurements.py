"""Measurements with the numbers that a test wants."""

from __future__ import annotations

from benchmarks.fidelity_parts.measure import P50, P90, Measurement
from evaluators.measurement import Quantity


def measured(p50_s: float, *flags: str, p90_s: float | None = None) -> Measurement:
    """Return what a process would have said; the p90 is the p50 unless it is given."""
    values = {P50: p50_s, P90: p50_s if p90_s is None else p90_s}
    quantities = {
        name: Quantity(value, "s", "a test", "measured") for name, value in values.items()
    }
    return Measurement(quantities, flags, cpus=(1,))
