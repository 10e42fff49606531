"""The last stage: one compiled artifact -> numbers, in a fresh process on the device.

Never looked up, always done. A measurement that other work or throttling disturbed is repeated; if
no attempt stays undisturbed, the least disturbed one is kept and flagged. Raw samples go into the
store, so that any statistic can be taken of them later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.benchmark.attempts import ATTEMPTS, least_disturbed
from evaluators.benchmark.environment import machine_fingerprint
from evaluators.builder import WORKER, Builder
from evaluators.built import Built, Measured
from evaluators.devices.device import Device
from evaluators.framing import Message
from evaluators.growing_score import GrowingScore
from evaluators.measurement import (
    Figures,
    PowerSource,
    Quantity,
    drop_quantity,
    quantities_of,
    score_quantity,
)
from evaluators.recipe import code_digest, tool_versions, worker_digest
from evaluators.stage_clock import StageClock
from evaluators.store import ArtifactStore
from evaluators.store_entry import Entry
from evaluators.told import estimated_quantities
from evaluators.workload_facts import WorkloadFacts

VALIDATION, TEST = "validation", "test"
_FACTS = (
    "environment",
    "disturbance",
    "runtime_version",
    "load_s",
    "loop_overhead_s",
    "device_time_s",
    "is_steady",
    "cpus",
    "energy",
    "idle_power_w",
    "baseline_bytes",
    "power_mode",
)


@dataclass(slots=True)
class Bench:
    """The benchmark stage over one workload and device.

    Attributes:
        provenance: Engine -> what its numbers are called: ``measured``, or a stand-in.
        timing: Fields of `evaluators.benchmark.timing.TimingSettings`.
        untimed: Engine -> what estimates its latency, for those whose device is absent and has no
            stand-in: they are only asked for their answers.
        attempts: How often a measurement is made, at most, that is disturbed.
    """

    workload: WorkloadFacts
    builder: Builder
    device: Device
    store: ArtifactStore
    power: PowerSource
    batch_size: int
    provenance: Mapping[str, str]
    timing: Mapping[str, float]
    untimed: Mapping[str, str] = field(default_factory=dict)
    attempts: int = ATTEMPTS
    _references: dict[str, Figures] = field(default_factory=dict)
    _data: dict[str, Entry] = field(default_factory=dict)  # held, because children read them

    def measure(
        self,
        built: Built,
        clock: StageClock,
        splits: Sequence[str] = (VALIDATION,),
        within_s: float | None = None,
    ) -> Measured:
        """Measure an artifact and score what it answers for each split; none only times it.

        Args:
            built: What.
            clock: Takes the time of each stage.
            splits: Which answers are scored.
            within_s: Leave all answers out where they would take longer; None never does.

        Raises:
            EvaluationFailure: With the stage it happened in.
        """
        return self._measured(built, clock, splits, self.timing, within_s)

    def answers_s(self, measured: Measured) -> float:
        """Return how long the answers to the validation split take an artifact that was timed."""
        latency_s = measured.quantities["latency_p50_s"].value
        assert latency_s is not None
        return latency_s * len(self.validation_inputs()[0]) / self.batch_size

    def scores(self, built: Built, clock: StageClock) -> dict[str, Quantity]:
        """Answer the whole validation split, untimed, and return the metric and its drop.

        Raises:
            EvaluationFailure: With the stage it happened in.
        """
        return self._scores(self.outputs(built, clock).arrays, built, clock, VALIDATION)

    def sample_scores(
        self, built: Built, clock: StageClock, samples: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Answer some samples of the validation split, and return their scores of shape (n,).

        Raises:
            EvaluationFailure: With the stage it happened in.
        """
        wanted = samples.tolist()
        outputs = self.outputs(built, clock, samples=wanted).arrays
        with clock.stage("score"):
            return self.builder.run("score", outputs, split=VALIDATION, samples=wanted).arrays[0]

    def outputs(
        self,
        built: Built,
        clock: StageClock,
        split: str = VALIDATION,
        samples: list[int] | None = None,
    ) -> Message:
        """Answer a split, or some samples of it, in a fresh process and untimed.

        The body of the answer has the ``runtime_version``.

        Raises:
            EvaluationFailure: With the stage it happened in.
        """
        job = self._job(built, (split,), {}, None)
        asked = {"kind": "answer", "inputs": {split: job["inputs"][split]}, "samples": samples}
        with clock.stage("benchmark"), clock.turn(self.device.quiet()):
            return self.device.run({**job, **asked})

    def validation_inputs(self) -> list[NDArray[Any]]:
        """Return the inputs of the validation split, each of shape (n, ...), read as needed."""
        files = self._input_files(VALIDATION)
        return [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]

    def scores_of(self, built: Built, score: GrowingScore) -> dict[str, Quantity]:
        """Return the metric and its drop over the samples that are scored so far."""
        figures, reference = [score.scores[score.seen]], [score.reference[score.seen]]
        return self._scores_against(reference, figures, built, VALIDATION)

    def probe(self, built: Built, clock: StageClock) -> Measured:
        """Time an artifact with no more queries than its percentiles need, without its answers.

        Raises:
            EvaluationFailure: With the stage it happened in.
        """
        return self._measured(built, clock, (), {**self.timing, "min_duration_s": 0.0}, None)

    def _measured(
        self,
        built: Built,
        clock: StageClock,
        splits: Sequence[str],
        timing: Mapping[str, float],
        within_s: float | None,
    ) -> Measured:
        if built.candidate.engine in self.untimed:
            return self._estimated(built, clock, splits)
        job = self._job(built, splits, timing, within_s)
        with clock.stage("benchmark"), clock.turn(self.device.quiet()):
            answer = least_disturbed(self.device.run, job, self.attempts)
            board = self.device.board
        timed_s, warmup_s, *outputs = answer.arrays
        provenance = self.provenance[built.candidate.engine]
        size_bytes = built.artifact.stat().st_size
        found = quantities_of(answer.body, timed_s, self.power, provenance, size_bytes)
        found |= built.figures
        count = answer.body["outputs_per_split"]
        for position, split in enumerate(splits if count else ()):
            answers = outputs[position * count : (position + 1) * count]
            found |= self._scores(answers, built, clock, split)
        facts = {name: answer.body[name] for name in _FACTS} | ({"board": board} if board else {})
        with clock.stage("benchmark"):
            facts["samples"] = self._keep_samples(built, timed_s, warmup_s)
        flags = list(answer.body["disturbance"]["reasons"])
        if not answer.body["is_steady"]:
            flags.append("the latency never became steady while it warmed up")
        return Measured(found, flags, facts)

    def reference(self, split: str) -> Figures:
        """Return the figures of the model as given, in float32 on this host."""
        if split not in self._references:
            self._references[split] = self._load_reference(split)
        return self._references[split]

    def _estimated(self, built: Built, clock: StageClock, splits: Sequence[str]) -> Measured:
        """Take the compiler's estimates, and ask for the answers in fresh processes."""
        by, size_bytes = self.untimed[built.candidate.engine], built.artifact.stat().st_size
        latency_s = built.compiled.facts["latency_s"]
        found = estimated_quantities(latency_s, by, self.batch_size, size_bytes)
        found |= built.figures
        facts: dict[str, Any] = {}
        for split in splits:
            answer = self.outputs(built, clock, split)
            found |= self._scores(answer.arrays, built, clock, split)
            facts = answer.body
        return Measured(found, [], facts)

    def _scores(
        self, answers: Sequence[np.ndarray], built: Built, clock: StageClock, split: str
    ) -> dict[str, Quantity]:
        with clock.stage("score"):
            figures = self.builder.run("score", answers, split=split).arrays
        return self._scores_against(self.reference(split), figures, built, split)

    def _scores_against(
        self, reference: Figures, figures: Figures, built: Built, split: str
    ) -> dict[str, Quantity]:
        name = self.workload.metric if split == VALIDATION else f"{split}_{self.workload.metric}"
        provenance = self.provenance[built.candidate.engine]
        drop = drop_quantity(figures, reference, self.workload.direction, provenance)
        return {name: score_quantity(figures, provenance), f"{name}_drop": drop}

    def _job(
        self,
        built: Built,
        splits: Sequence[str],
        timing: Mapping[str, float],
        within_s: float | None,
    ) -> dict[str, Any]:
        candidate = built.candidate
        inputs = {split: self._input_files(split) for split in dict.fromkeys((VALIDATION, *splits))}
        return {
            "kind": "benchmark",
            "engine": candidate.engine,
            "precision": candidate.precision,
            "flags": dict(candidate.flags),
            "power_mode": candidate.power_mode,
            "compiled": str(built.compiled.path),
            "artifact": built.artifact.name,
            "inputs": inputs,
            "answer_splits": list(splits),
            "answers_within_s": within_s,
            "batch_size": self.batch_size,
            "timing": dict(timing),
            "meter": self.power.meter,
            "meter_program": list(self.power.program),
        }

    def _keep_samples(self, built: Built, timed_s: np.ndarray, warmup_s: np.ndarray) -> str:
        """Put the raw samples into the store, and return the key they are found under."""
        content = hashlib.sha256(timed_s.tobytes() + warmup_s.tobytes()).hexdigest()

        def build(out_dir: Path) -> dict[str, Any]:
            np.savez_compressed(out_dir / "samples.npz", timed_s=timed_s, warmup_s=warmup_s)
            return {"artifact_sha256": built.artifact_sha256}

        recipe = {"artifact": built.artifact_sha256, "content": content}
        return self.store.get_or_build("samples", recipe, build).key

    def _load_reference(self, split: str) -> Figures:
        def build(out_dir: Path) -> dict[str, Any]:
            figures = self.builder.run("reference", split=split).arrays
            for position, array in enumerate(figures):
                np.save(out_dir / f"{position}.npy", array, allow_pickle=False)
            return {"figures": len(figures)}

        recipe = {**self._data_recipe(split), "code": code_digest("evaluators.scoring")}
        entry = self.store.get_or_build("reference", recipe, build)
        files = [entry.path / f"{position}.npy" for position in range(entry.facts["figures"])]
        return [np.load(file, allow_pickle=False) for file in files]

    def _input_files(self, split: str) -> list[str]:
        def build(out_dir: Path) -> dict[str, Any]:
            return self.builder.run("data", split=split, out_dir=str(out_dir)).body

        entry = self.store.get_or_build("data", self._data_recipe(split), build)
        self._data[split] = entry
        return [str(entry.path / name) for name in entry.facts["files"]]

    def _data_recipe(self, split: str) -> dict[str, Any]:
        return {
            "workload": self.workload.fingerprint,
            "split": split,
            "tools": tool_versions("torch", "numpy"),
            "worker": worker_digest(WORKER),
            "host": machine_fingerprint(),
        }
