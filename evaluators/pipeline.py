"""One candidate -> numbers: compress -> export -> quantize -> compile -> benchmark.

Every stage but the last is looked up in the store under the hash of what went into it, so a
candidate that differs only in an engine flag costs no training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.builder import Builder
from evaluators.candidate import Candidate
from evaluators.devices.local import LocalDevice
from evaluators.engines import load_engine
from evaluators.failures import CandidateRejected, EvaluationFailure
from evaluators.measurement import PowerSource, Quantity, quantities_of, score_quantity
from evaluators.quantize import EXPORTED_FORMS, load_quantizer
from evaluators.store import ArtifactStore, Entry, code_digest, tool_versions

StageObserver = Callable[[str], None]

_COMPRESS_TOOLS = ("torch", "torch-pruning")
_EXPORT_TOOLS = {"onnx": ("torch", "onnx", "onnxscript"), "tflite": ("torch", "litert-torch")}
_QUANTIZE_TOOLS = ("onnx", "onnxruntime", "openvino", "nncf", "ai-edge-quantizer", "ai-edge-litert")


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """What the build worker says of a workload, plus its reference on this host.

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


@dataclass(slots=True)
class StageClock:
    """Seconds by stage, and which stages were found in the store."""

    observe: StageObserver
    seconds: dict[str, float] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage, and name it in whatever failure leaves it."""
        self.observe(name)
        start = time.monotonic()
        try:
            yield
        except EvaluationFailure as failure:
            failure.stage = failure.stage or name
            raise
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was found out about one candidate.

    Attributes:
        quantities: SI name -> number; the metric under its own name.
        scores: Per-sample scores of the validation split, or a whole-set figure of shape ().
        artifact: Path of the file to ship.
        artifact_sha256: Its hash.
        engine_metrics: The compiler's own figures.
        notes: Lines for a person.
        facts: What the stages reported, plain data.
    """

    quantities: dict[str, Quantity]
    scores: np.ndarray
    artifact: Path
    artifact_sha256: str
    engine_metrics: dict[str, float]
    notes: list[str]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages over one workload, device and store.

    Attributes:
        provenance: Engine -> what its numbers are called: ``measured``, or a stand-in.
        timing: Fields of `evaluators.benchmark.timing.TimingSettings`.
    """

    workload: WorkloadFacts
    builder: Builder
    device: LocalDevice
    store: ArtifactStore
    power: PowerSource
    batch_size: int
    seed: int
    provenance: Mapping[str, str]
    timing: Mapping[str, float]

    def evaluate(self, candidate: Candidate, clock: StageClock) -> Evaluation:
        """Build and measure one candidate.

        Raises:
            EvaluationFailure: With the stage it happened in.
        """
        engine = load_engine(candidate.engine)
        refusal = engine.refusal(candidate.precision, candidate.flags)
        if refusal is not None:
            raise CandidateRejected(refusal, "compile")
        form = engine.forms[candidate.precision]
        source = form if form in EXPORTED_FORMS else load_quantizer(form).SOURCE
        compressed = self.compress(candidate, clock) if self.workload.is_trainable else None
        exported = self.export(compressed, source, clock)
        quantized = exported if form == source else self.quantize(exported, form, candidate, clock)
        compiled = self.compile(quantized, candidate, clock)
        evaluation = self.benchmark(compiled, candidate, clock)
        if compressed is not None:
            evaluation.facts["compress"] = compressed.facts
        return evaluation

    def compress(self, candidate: Candidate, clock: StageClock) -> Entry:
        """Prune to the sparsity and fine-tune from the unpruned teacher."""
        request = {
            "sparsity": candidate.sparsity,
            "importance": candidate.importance,
            "round_to": candidate.round_to,
            "distillation": asdict(candidate.distillation) if candidate.distillation else None,
            "seed": self.seed,
        }
        recipe = {
            **request,
            "workload": self.workload.fingerprint,
            "tools": tool_versions(*_COMPRESS_TOOLS),
            "code": code_digest("evaluators.compress"),
        }
        return self._stage(clock, "compress", recipe, request)

    def export(self, compressed: Entry | None, form: str, clock: StageClock) -> Entry:
        """Write the portable float model."""
        request = {"form": form, "batch_size": self.batch_size}
        recipe = {
            **request,
            "model": compressed.digest if compressed else None,
            "workload": self.workload.fingerprint,  # weights alone don't say how they are used
            "tools": tool_versions(*_EXPORT_TOOLS[form]),
            "code": code_digest("evaluators.export"),
        }
        model = str(compressed.path) if compressed else None
        return self._stage(clock, "export", recipe, {**request, "model": model})

    def quantize(
        self, exported: Entry, form: str, candidate: Candidate, clock: StageClock
    ) -> Entry:
        """Bring the exported model to the candidate's precision."""
        request = {"form": form, "settings": dict(candidate.quantization)}
        recipe = {
            **request,
            "model": exported.digest,
            "calibration": self.workload.fingerprint,
            "tools": tool_versions(*_QUANTIZE_TOOLS),
            "code": code_digest("evaluators.quantize"),
        }
        return self._stage(clock, "quantize", recipe, {**request, "model": str(exported.path)})

    def compile(self, model: Entry, candidate: Candidate, clock: StageClock) -> Entry:
        """Compile for the device, in a process of its own."""
        engine = load_engine(candidate.engine)
        choice = {
            "engine": candidate.engine,
            "precision": candidate.precision,
            "flags": dict(candidate.flags),
        }
        recipe = {
            **choice,
            "model": model.digest,
            "tools": tool_versions(engine.distribution),
            "toolchain": engine.toolchain(),
            "provenance": self.provenance[candidate.engine],  # a stand-in takes another artifact
            "code": code_digest("evaluators.engines"),
            "device": self.device.fingerprint(),
        }

        def build(out_dir: Path) -> dict[str, Any]:
            job = {"kind": "compile", **choice, "model": str(model.path), "out_dir": str(out_dir)}
            return self.device.run(job).body

        return self._lookup(clock, "compile", recipe, build)

    def benchmark(self, compiled: Entry, candidate: Candidate, clock: StageClock) -> Evaluation:
        """Measure the compiled artifact; never looked up, always done."""
        artifact = compiled.facts["artifact"]
        answer = self._measure(compiled, candidate, clock)
        with clock.stage("score"):
            scores = self.builder.run("score", answer.arrays, split="validation").arrays[0]
        provenance = self.provenance[candidate.engine]
        path = compiled.path / artifact
        found = quantities_of(answer.body, self.power, provenance, path.stat().st_size)
        found[self.workload.metric] = score_quantity(scores, provenance)
        facts = {name: answer.body[name] for name in ("environment", "runtime_version", "load_s")}
        facts |= {"is_steady": answer.body["is_steady"], "cpus": answer.body["cpus"]}
        return Evaluation(
            found,
            scores,
            path,
            compiled.files[artifact],
            compiled.facts["metrics"],
            compiled.facts["notes"],
            facts,
        )

    def reference_scores(self) -> np.ndarray:
        """Return the validation scores of the model as given, in float32 on this host."""
        recipe = self._data_recipe("validation")

        def build(out_dir: Path) -> dict[str, Any]:
            scores = self.builder.run("reference", split="validation").arrays[0]
            np.save(out_dir / "scores.npy", scores, allow_pickle=False)
            return {}

        entry = self.store.get_or_build("reference", recipe, build)
        scores: np.ndarray = np.load(entry.path / "scores.npy", allow_pickle=False)
        return scores

    def _measure(self, compiled: Entry, candidate: Candidate, clock: StageClock) -> Any:
        data = self._data("validation")
        job = {
            "kind": "benchmark",
            "engine": candidate.engine,
            "precision": candidate.precision,
            "flags": dict(candidate.flags),
            "compiled": str(compiled.path),
            "artifact": compiled.facts["artifact"],
            "inputs": [str(data.path / name) for name in data.facts["files"]],
            "batch_size": self.batch_size,
            "timing": dict(self.timing),
            "meter": self.power.meter,
            "meter_program": list(self.power.program),
        }
        with clock.stage("benchmark"), self.device.quiet():
            return self.device.run(job)

    def _data(self, split: str) -> Entry:
        def build(out_dir: Path) -> dict[str, Any]:
            return self.builder.run("data", split=split, out_dir=str(out_dir)).body

        return self.store.get_or_build("data", self._data_recipe(split), build)

    def _data_recipe(self, split: str) -> dict[str, Any]:
        tools = tool_versions("torch", "numpy")
        return {"workload": self.workload.fingerprint, "split": split, "tools": tools}

    def _stage(
        self, clock: StageClock, stage: str, recipe: dict[str, Any], request: dict[str, Any]
    ) -> Entry:
        def build(out_dir: Path) -> dict[str, Any]:
            size = {"batch_size": self.batch_size, **request}
            return self.builder.run(stage, **size, out_dir=str(out_dir)).body

        return self._lookup(clock, stage, recipe, build)

    def _lookup(
        self,
        clock: StageClock,
        stage: str,
        recipe: dict[str, Any],
        build: Callable[[Path], dict[str, Any]],
    ) -> Entry:
        with clock.stage(stage):
            entry = self.store.get_or_build(stage, recipe, build)
        if entry.was_found:
            clock.found.append(stage)
        return entry
