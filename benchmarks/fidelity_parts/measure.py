"""One measurement, taken as a search takes it; the one place that knows what the worker answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.benchmark.attempts import least_disturbed
from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.flag import FlagValue
from evaluators.measurement import PowerSource, Quantity, quantities_of

LIMITS = Limits(stage_timeout_s=300.0, memory_bytes=8 * 2**30)
DEVICE = LocalDevice("this machine", LIMITS)
P50, P90 = "latency_p50_s", "latency_p90_s"

Timing = Mapping[str, float]
"""Fields of `evaluators.benchmark.timing.TimingSettings`."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled model, and all that the worker has to know to run it.

    Attributes:
        model: Folder of the portable model that it was compiled from.
        folder: Where the compiled ``file`` lies.
        inputs: An .npy of the samples to go through.
    """

    name: str
    engine: str
    precision: str
    flags: Mapping[str, FlagValue]
    model: Path
    folder: Path
    file: str
    inputs: Path

    @property
    def label(self) -> str:
        """Return how rows name it."""
        return f"{self.engine} {self.precision} {self.name}"

    def job(self, timing: Timing) -> dict[str, Any]:
        """Return what `evaluators.bench` asks the worker for: timed only, without a meter."""
        return {
            "kind": "benchmark",
            "engine": self.engine,
            "precision": self.precision,
            "flags": dict(self.flags),
            "compiled": str(self.folder),
            "artifact": self.file,
            "inputs": {"samples": [str(self.inputs)]},
            "answer_splits": [],
            "batch_size": 1,
            "timing": dict(timing),
            "meter": None,
        }


@dataclass(frozen=True, slots=True)
class Measurement:
    """What fresh processes said of an artifact, the least disturbed one of them.

    Attributes:
        quantities: SI name -> number, its interval from inside that process alone.
        flags: What disturbed it all the same; empty if nothing did.
        cpus: What the process was pinned to.
    """

    quantities: Mapping[str, Quantity]
    flags: tuple[str, ...]
    cpus: tuple[int, ...]

    def value(self, name: str) -> float:
        """Return a number by its SI name."""
        value = self.quantities[name].value
        assert value is not None, self.quantities[name].provenance
        return value


def measure(artifact: Artifact, timing: Timing, attempts: int) -> Measurement:
    """Measure in a fresh process, and again where something disturbed it."""
    with DEVICE.quiet():
        answer = least_disturbed(DEVICE.run, artifact.job(timing), attempts)
    size_bytes = (artifact.folder / artifact.file).stat().st_size
    found = quantities_of(
        answer.body, answer.arrays[0], PowerSource(None, None), "measured", size_bytes
    )
    reasons = answer.body["disturbance"]["reasons"]
    return Measurement(found, tuple(reasons), tuple(answer.body["cpus"]))


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job of the worker in a fresh process, while nothing else of ours runs."""
    with DEVICE.quiet():
        return DEVICE.run(job).body


def is_within(share: float, one: float, other: float) -> bool:
    """Say whether the larger of two exceeds the smaller by at most ``share``."""
    low, high = sorted((one, other))
    return high <= low * (1 + share)


def covers(predicted: Quantity, value: float) -> bool:
    """Say whether a value lies inside an interval, its ends included."""
    assert predicted.low is not None
    assert predicted.high is not None
    return predicted.low <= value <= predicted.high
