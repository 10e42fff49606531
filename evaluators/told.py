"""What a compiler told of what it compiled, as numbers with their provenance.

A compiler's figures (ops that map, bytes that don't fit) are there for every artifact of its
engine. Where the device is absent and nothing may stand in for it, its estimate of the latency
takes the place of a measurement, and whatever else would have been measured is unavailable.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluators.engines.engine import Engine
from evaluators.measurement import PERCENTILES, Quantity, unavailable

_UNITS = {"_bytes": "B"}
_NOT_MEASURED = {
    "peak_memory_bytes": "B",
    "device_memory_bytes": "B",
    "power_w": "W",
    "energy_j": "J",
}


def figures_of(engine: Engine, metrics: Mapping[str, float]) -> dict[str, Quantity]:
    """Return an engine's figures by SI name, those that aren't known too.

    Args:
        engine: Which one compiled.
        metrics: What its compiler told.
    """
    unknown = engine.unknown_figures()
    found = {}
    for name, figure in engine.figures.items():
        unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "1")
        if name in metrics:
            method = f"told by the compiler of {engine.name}"
            found[name] = Quantity(metrics[name], unit, method, figure.provenance)
        else:
            why = unknown.get(name, f"the compiler of {engine.name} didn't tell")
            found[name] = unavailable(unit, why)
    return found


def estimated_quantities(
    latency_s: float | None, estimated_by: str, batch_size: int, model_size_bytes: int
) -> dict[str, Quantity]:
    """Return what stands for a measurement where nothing is timed, by SI name.

    An estimate knows of no spread, so all percentiles are the same.

    Args:
        latency_s: One inference; None where the estimate doesn't cover all of the model.
        estimated_by: What estimated it.
        batch_size: Samples in one inference.
        model_size_bytes: Bytes of the artifact on disk.
    """
    names = dict.fromkeys(PERCENTILES, "s") | {"throughput_per_s": "1/s"}
    if latency_s is None:
        why = f"{estimated_by} doesn't estimate all of the model; the trial's notes say what not"
        found = {name: unavailable(unit, why) for name, unit in names.items()}
    else:
        per_s = batch_size / latency_s
        values = {**dict.fromkeys(names, latency_s), "throughput_per_s": per_s}
        by = f"estimated: {estimated_by}"
        method = "one inference after the other, no percentile"
        found = {name: Quantity(values[name], unit, method, by) for name, unit in names.items()}
    why = f"nothing is run on the device here, and {estimated_by} doesn't tell"
    found |= {name: unavailable(unit, why) for name, unit in _NOT_MEASURED.items()}
    found["model_size_bytes"] = Quantity(model_size_bytes, "B", "bytes on disk", "measured")
    return found
