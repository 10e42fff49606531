"""What takes the place of building and measuring: at once, and with records as large as real ones.

Only the two ends of `search.evaluation.Evaluator` are replaced; records are made of what they
return by the program itself. What is reported of a candidate was taken from real records of
`spaces/cpu.yaml` on ResNet-20; its numbers follow from its parameters and a little noise.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.bench import VALIDATION
from evaluators.built import Built, Measured
from evaluators.candidate import Candidate
from evaluators.child_process import Limits
from evaluators.devices.device import Device
from evaluators.devices.local import LocalDevice
from evaluators.failures import CandidateRejected
from evaluators.measurement import Figures, Quantity, unavailable
from evaluators.stage_clock import StageClock
from evaluators.store_entry import Entry
from evaluators.workload_facts import WorkloadFacts
from search.policy.identity import prefix_of

WORKLOAD = WorkloadFacts(
    fingerprint=hashlib.sha256(b"stand-in").hexdigest(),
    metric="accuracy",
    direction="maximize",
    inputs={"image": ([3, 32, 32], "float32")},
    is_trainable=True,
    modules=("", "stem", *(f"stage{stage}" for stage in range(1, 4)), "head"),
)
REFERENCE_ACCURACY = 0.95
_SAMPLES = 400
_REJECTED_SHARE = 0.05
_NOISE = 0.03
_CONVOLUTIONS = 20
_SPEED = {"fp32": 1.0, "bf16": 0.7, "fp16": 0.7, "int8": 0.4}
"""Latency by precision, over that of fp32."""


@dataclass(frozen=True, slots=True)
class StandInPipeline:
    """Says of every candidate that it was built, through the stages that building has."""

    def build(self, candidate: Candidate, clock: StageClock) -> Built:
        """Return an artifact that isn't there.

        Raises:
            CandidateRejected: For some of the pruned ones, always the same.
        """
        digest = hashlib.sha256(repr(candidate).encode()).hexdigest()
        for stage in ("compress", "export", "quantize", "compile"):
            with clock.stage(stage):
                clock.found.append(stage)
        if candidate.is_pruned and int(digest[:8], 16) / 2**32 < _REJECTED_SHARE:
            raise CandidateRejected("op Resize of node '/head/up' isn't supported here", "compile")
        folder = Path("/store/compile") / digest[:2] / digest
        facts = {"artifact": "model.onnx", "metrics": {}, "notes": []}
        compiled = Entry(digest, folder, digest, facts, {"model.onnx": digest}, 1.0, was_found=True)
        stages = {"compress": _compress_facts(candidate), "export": {}}
        return Built(candidate, compiled, stages)


@dataclass(slots=True)
class StandInBench:
    """Makes up numbers for a candidate; another process sees others, as on a real machine."""

    provenance: Mapping[str, str]
    noise: random.Random
    workload: WorkloadFacts = WORKLOAD
    device: Device = field(default_factory=lambda: LocalDevice("here", Limits(60.0, 2**30)))

    def measure(
        self,
        built: Built,
        clock: StageClock,
        splits: Sequence[str] = (VALIDATION,),
        within_s: float | None = None,  # noqa: ARG002  it answers at once
    ) -> Measured:
        """Return numbers of the kinds and sizes that measuring gives."""
        with clock.stage("benchmark"):
            found = self._quantities(built.candidate)
        for split in splits:
            with clock.stage("score"):
                found |= self._scores(built.candidate, split)
        return Measured(found, [], _process_facts(self.noise))

    def reference(self, _split: str) -> Figures:
        """Return the scores of the model as given."""
        return [(np.arange(_SAMPLES) < REFERENCE_ACCURACY * _SAMPLES).astype(np.float64)]

    def _quantities(self, candidate: Candidate) -> dict[str, Quantity]:
        kept = 1 - _sparsity(candidate)
        threads = float(candidate.flags.get("threads", 1))
        provenance = self.provenance[candidate.engine]
        latency_s = 5e-3 * kept**1.5 * _SPEED[candidate.precision] / threads**0.7
        power_w = 4.0 * threads * kept**0.3

        def noisy(value: float, unit: str, method: str, by: str = provenance) -> Quantity:
            seen = value * math.exp(self.noise.gauss(0, _NOISE))
            return Quantity(seen, unit, method, by, seen * 0.95, seen * 1.05, 6000, seen * 1.02)

        estimated = "estimated: share of CPU time x rated power of 15 W"
        return {
            **{
                f"latency_p{q}_s": noisy(latency_s * (0.98 + q / 1000), "s", f"p{q}, single_stream")
                for q in (50, 90, 99)
            },
            "throughput_per_s": noisy(1 / latency_s, "1/s", "samples per second, offline scenario"),
            "peak_memory_bytes": noisy(2.4e7 * kept, "B", "VmHWM over the process's own baseline"),
            "device_memory_bytes": unavailable("B", "the engine tells of none beside the host's"),
            "model_size_bytes": noisy(1.1e6 * kept, "B", "bytes on disk"),
            "power_w": noisy(power_w, "W", "CPU time over the timed loop", estimated),
            "energy_j": noisy(
                power_w * latency_s, "J", "over the timed loop, per inference", estimated
            ),
        }

    def _scores(self, candidate: Candidate, split: str) -> dict[str, Quantity]:
        epochs = candidate.distillation.epochs if candidate.distillation else 0
        lost = 0.35 * _sparsity(candidate) ** 2 / (1 + epochs) + abs(self.noise.gauss(0, 0.005))
        right = round((REFERENCE_ACCURACY - lost) * _SAMPLES) / _SAMPLES
        name = "accuracy" if split == VALIDATION else f"{split}_accuracy"
        by = self.provenance[candidate.engine]
        drop, method = REFERENCE_ACCURACY - right, "paired with the float32 model, which differs"
        return {
            name: Quantity(
                right, "1", "mean score per sample", by, right - 0.02, right + 0.02, _SAMPLES
            ),
            f"{name}_drop": Quantity(drop, "1", method, by, drop - 0.02, drop + 0.02, _SAMPLES),
        }


def _sparsity(candidate: Candidate) -> float:
    assert isinstance(candidate.sparsity, float)
    return candidate.sparsity


def _compress_facts(candidate: Candidate) -> dict[str, Any]:
    kept = 1 - _sparsity(candidate)
    found: dict[str, Any] = {
        "digest": hashlib.sha256(repr(prefix_of(candidate)).encode()).hexdigest(),
        "pruning": {
            "parameters_before": 272_474,
            "parameters_after": int(272_474 * kept),
            "macs_before": 41_214_592,
            "macs_after": int(41_214_592 * kept**2),
            "channel_sparsity": 1 - kept,
            "kept_channels": {
                f"stage{1 + n // 7}.{n % 7}.conv": int(64 * kept) for n in range(_CONVOLUTIONS)
            },
        },
    }
    if candidate.distillation:
        epochs = candidate.distillation.epochs
        losses = [0.5 / (1 + epoch) for epoch in range(epochs)]
        found["distillation"] = {"epochs": epochs, "steps": 60 * epochs, "losses": losses}
    return found


def _process_facts(noise: random.Random) -> dict[str, Any]:
    """Return what a measuring process says of itself and of the machine."""
    nothing = dict.fromkeys(
        (
            "foreign_cpu_share_siblings",
            "throttle_events",
            "firmware_flags",
            "firmware_flags_since_boot",
            "cooling",
            "frequency_before_khz",
            "frequency_after_khz",
            "temperature_before_millicelsius",
            "temperature_after_millicelsius",
        )
    )
    return {
        "environment": {
            "machine": "x86_64",
            "system": "Linux-6.1.0-x86_64-with-glibc2.36",
            "python": "3.11.7",
            "numpy": "2.4.6",
            "cpu_model": "a CPU",
            "vnni": True,
            "cpu_count": 2,
            "core_count": 2,
            "smt": False,
            **dict.fromkeys(("turbo", "frequency_driver", "governor", "frequency_khz")),
            "idle_driver": "haltpoll",
            "temperature_millicelsius": None,
            "load_1min": noise.random(),
        },
        "disturbance": {
            "watched_s": 0.5 + noise.random(),
            **{name: noise.random() for name in ("foreign_cpu_share", "waited_share")},
            "foreign_cpu_share_elsewhere": noise.random(),
            "steal_share": 0.0,
            "severity": noise.random(),
            "involuntary_switches": noise.randrange(100),
            "reasons": [],
            **nothing,
        },
        "runtime_version": "1.31.1",
        "load_s": noise.random(),
        "loop_overhead_s": noise.random(),
        "is_steady": True,
        "device_time_s": None,
        "cpus": [1],
        "energy": {"seconds": noise.random(), "cpu_time_s": noise.random(), "reading": None},
        "idle_power_w": None,
        "baseline_bytes": 51_965_952,
        "power_mode": None,
        "samples": f"{noise.getrandbits(256):064x}",
    }
