"""Every number with what makes it worth having: interval, sample count, unit, method, provenance.

Provenance is one of

- ``measured``
- ``measured: on X instead of Y``: a stand-in did the work
- ``estimated: by what``
- ``unavailable: why``: there is no value, and it is never 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evaluators.benchmark.percentile import percentile
from evaluators.meters.estimate import estimate_power_w
from evaluators.statistics import (
    early_stopping_estimate,
    fewest_queries,
    mean_interval,
    paired_difference,
    percentile_interval,
    resampled_interval,
)

Figures = Sequence[NDArray[np.float64]]
"""What scoring a split gives: per-sample scores of shape (n,); or a figure of the whole set of
shape (), then the same figure over bootstrap resamples, of shape (n_resamples,)."""

MEASURED = "measured"
"""The provenance of what was measured on the device that was meant."""
PERCENTILES = {"latency_p50_s": 0.50, "latency_p90_s": 0.90, "latency_p99_s": 0.99}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number in SI units.

    Attributes:
        value: None only where ``provenance`` says unavailable.
        low: Lower end of a 95 % interval; None where no interval is known.
        high: Upper end.
        n: How many samples stand behind it.
        at_most: What it is at most with 99 % confidence, however the samples are distributed; only
            a percentile has it.
        unit: SI, or ``1`` for a share.
        method: How it was obtained, in words.
        provenance: See the module docstring.
    """

    value: float | None
    unit: str
    method: str
    provenance: str
    low: float | None = None
    high: float | None = None
    n: int = 1
    at_most: float | None = None

    @property
    def is_measured(self) -> bool:
        """Say whether this came off a device, the named one or a stand-in."""
        return self.provenance.startswith("measured")

    def to_json(self) -> dict[str, Any]:
        """Return plain data; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a quantity from `to_json`."""
        return cls(**data)


def unavailable(unit: str, why: str) -> Quantity:
    """Return a number that isn't known, with the reason."""
    return Quantity(None, unit, "none", f"unavailable: {why}", n=0)


def is_timed(quantities: Mapping[str, Quantity]) -> bool:
    """Say whether the latency among numbers was measured; where there is none, nobody knows."""
    latency = quantities.get("latency_p50_s")
    return latency is None or latency.is_measured


@dataclass(frozen=True, slots=True)
class PowerSource:
    """Where power comes from on this device: a meter's name, a rated power, or neither.

    Attributes:
        program: What the meter ``command`` runs; empty for every other.
    """

    meter: str | None
    rated_power_w: float | None
    program: tuple[str, ...] = ()


def quantities_of(
    answer: Mapping[str, Any],
    timed_s: NDArray[np.float64],
    power: PowerSource,
    provenance: str,
    model_size_bytes: int,
) -> dict[str, Quantity]:
    """Turn what the measuring process sent into quantities by SI name.

    Args:
        answer: Body of a benchmark answer of `evaluators.benchmark.worker`.
        timed_s: Seconds per query, of shape (n_queries,).
        power: What the energy figures mean.
        provenance: ``measured``, with the stand-in where there is one.
        model_size_bytes: Bytes of the artifact on disk.
    """
    samples = np.sort(timed_s).tolist()  # each percentile sorts again, which then costs little
    found = {name: _latency(samples, q, provenance) for name, q in PERCENTILES.items()}
    found["throughput_per_s"] = Quantity(
        answer["throughput_per_s"], "1/s", "samples per second, offline scenario", provenance
    )
    found["peak_memory_bytes"] = _peak_memory(answer, provenance)
    found["device_memory_bytes"] = _device_memory(answer, provenance)
    found["model_size_bytes"] = Quantity(model_size_bytes, "B", "bytes on disk", MEASURED)
    found["power_w"] = _power(answer, power, provenance)
    found["energy_j"] = _energy(found["power_w"], answer["energy"]["seconds"] / len(samples))
    return found


def score_quantity(figures: Figures, provenance: str) -> Quantity:
    """Return the metric with its interval."""
    scores = figures[0]
    mean = float(scores.mean())
    if scores.ndim == 0:
        low, high = resampled_interval(figures[1])
        method = f"figure of the whole split, interval by {len(figures[1])} resamples"
        return Quantity(mean, "1", method, provenance, low, high)
    low, high = mean_interval(scores)
    return Quantity(mean, "1", "mean score per sample", provenance, low, high, n=len(scores))


def drop_quantity(
    figures: Figures, reference: Figures, direction: str, provenance: str
) -> Quantity:
    """Return how much worse the metric is than the reference's over the same samples.

    Args:
        figures: The compiled artifact's.
        reference: The float32 model's on the host.
        direction: ``maximize`` or ``minimize`` the metric.
        provenance: Of the artifact's answers.
    """
    worse, better = (reference, figures) if direction == "maximize" else (figures, reference)
    if figures[0].ndim == 0:
        drop = float(worse[0] - better[0])
        count = min(len(worse[1]), len(better[1]))  # a slow metric gets fewer resamples
        low, high = resampled_interval(worse[1][:count] - better[1][:count])
        method = f"difference of the figures, interval by {count} resamples of both alike"
        return Quantity(drop, "1", method, provenance, low, high)
    drop, low, high = paired_difference(worse[0], better[0])
    differing = int((figures[0] != reference[0]).sum())
    method = f"paired with the float32 model, which differs on {differing} samples"
    return Quantity(drop, "1", method, provenance, low, high, n=len(figures[0]))


def _latency(samples: list[float], q: float, provenance: str) -> Quantity:
    needed = fewest_queries(q)
    if len(samples) < needed:
        why = f"a p{q * 100:.0f} needs {needed} queries, and {len(samples)} were taken"
        return unavailable("s", why)
    low, high = percentile_interval(samples, q)
    method = f"p{q * 100:.0f}, single_stream"
    at_most = early_stopping_estimate(samples, q)
    value = percentile(samples, q)
    return Quantity(value, "s", method, provenance, low, high, len(samples), at_most)


def _peak_memory(answer: Mapping[str, Any], provenance: str) -> Quantity:
    peak_bytes = answer["peak_memory_bytes"]
    if peak_bytes is None:
        return unavailable("B", "the kernel tells neither VmHWM nor private memory here")
    method = f"{answer['memory_method']} over the process's own baseline"
    return Quantity(peak_bytes, "B", method, provenance)


def _device_memory(answer: Mapping[str, Any], provenance: str) -> Quantity:
    if answer["device_memory"] is None:
        return unavailable("B", "the engine tells of none beside the host's")
    size_bytes, method = answer["device_memory"]
    return Quantity(size_bytes, "B", method, provenance)


def _power(answer: Mapping[str, Any], power: PowerSource, provenance: str) -> Quantity:
    energy = answer["energy"]
    if energy["reading"] is not None:
        reading, idle_w = energy["reading"], answer["idle_power_w"]
        method = f"{power.meter}, mean over the timed loop, idle {idle_w:.3g} W"
        watts = reading["energy_j"] / reading["seconds"]
        return Quantity(watts, "W", method, provenance, n=reading["readings"])
    if power.rated_power_w is None:
        return unavailable("W", "no meter here, and device.rated_power_w isn't given")
    watts = estimate_power_w(
        energy["cpu_time_s"],
        energy["seconds"],
        answer["environment"]["cpu_count"],
        power.rated_power_w,
    )
    by = f"estimated: share of CPU time x rated power of {power.rated_power_w:g} W"
    return Quantity(watts, "W", "CPU time over the timed loop", by)


def _energy(power: Quantity, seconds_per_query: float) -> Quantity:
    if power.value is None:
        return unavailable("J", power.provenance.removeprefix("unavailable: "))
    joules = power.value * seconds_per_query
    return Quantity(joules, "J", "over the timed loop, per inference", power.provenance)
