"""One candidate -> what would be shipped: compress -> distill -> export -> quantize -> compile.

Every stage is looked up in the store under the hash of what went into it, so a candidate that
differs only in an engine flag costs no training. What comes last, benchmark, is `evaluators.bench`,
because it is never looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluators.benchmark.environment import machine_fingerprint
from evaluators.builder import WORKER, Builder
from evaluators.built import Built
from evaluators.candidate import Candidate, Distillation
from evaluators.compress.spans import spans_of
from evaluators.devices.device import Device
from evaluators.devices.local import WORKER as DEVICE_WORKER
from evaluators.engines import load_engine
from evaluators.engines.engine import Engine
from evaluators.failures import CandidateRejected
from evaluators.measurement import MEASURED
from evaluators.quantize import source_of
from evaluators.recipe import code_digest, tool_versions, worker_digest
from evaluators.stage_clock import StageClock
from evaluators.store import ArtifactStore
from evaluators.store_entry import Entry
from evaluators.told import figures_of
from evaluators.workload_facts import WorkloadFacts

_COMPRESS_TOOLS = ("torch", "torch-pruning", "numpy")
_COMPRESS_CODE = ("evaluators.compress.compress",)
_DISTILL_CODE = ("evaluators.compress.distill", "evaluators.compress.teacher_outputs")
_EXPORT_TOOLS = {
    "onnx": ("torch", "onnx", "onnxscript", "numpy"),
    "tflite": ("torch", "litert-torch", "numpy"),
}
_QUANTIZE_TOOLS = (
    "numpy",
    "onnx",
    "openvino",
    "nncf",
    "ai-edge-quantizer",
    "ai-edge-litert",
)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages over one workload, device and store.

    Attributes:
        provenance: Engine -> what its numbers are called: ``measured``, or a stand-in.
    """

    workload: WorkloadFacts
    builder: Builder
    device: Device
    store: ArtifactStore
    batch_size: int
    seed: int
    provenance: Mapping[str, str]

    def build(self, candidate: Candidate, clock: StageClock) -> Built:
        """Build what would be shipped of one candidate, or find it in the store.

        Raises:
            EvaluationFailure: With the stage it happened in.
        """
        engine = load_engine(candidate.engine)
        flags = engine.flags_with(candidate.flags, candidate.sparsity_pattern)
        refusal = engine.refusal(candidate.precision, flags)
        if refusal is not None:
            raise CandidateRejected(refusal, "compile")
        form = engine.forms[candidate.precision]
        source = source_of(form)
        stages = self.compress_and_distill(candidate, clock) if self.workload.is_trainable else {}
        model = next(reversed(stages.values()), None)
        exported = self.export(model, source, clock)
        quantized = exported if form == source else self.quantize(exported, form, candidate, clock)
        compiled = self.compile(quantized, candidate, clock)
        facts = {name: stage.facts for name, stage in {**stages, "export": exported}.items()}
        if "compress" in stages:  # by which models that are pruned alike know one another
            facts["compress"] = {**facts["compress"], "digest": stages["compress"].digest}
        return Built(candidate, compiled, facts, figures_of(engine, compiled.facts["metrics"]))

    def compress_and_distill(self, candidate: Candidate, clock: StageClock) -> dict[str, Entry]:
        """Return the stages that make the candidate's float model, by name; the last one holds it.

        Candidates that differ only in how they are fine-tuned share the first.
        """
        stages = {"compress": self.compress(candidate, clock)}
        if candidate.distillation is not None:
            stages["distill"] = self.distill(
                stages["compress"], candidate.distillation, clock, has_pattern=candidate.has_pattern
            )
        return stages

    def compress(self, candidate: Candidate, clock: StageClock) -> Entry:
        """Prune to the sparsity, reconstruct, and set weights to zero in the pattern."""
        request = {
            "sparsity": candidate.sparsity,
            "has_pattern": candidate.has_pattern,
            "importance": candidate.importance,
            "round_to": candidate.round_to,
            "seed": self.seed,
        }
        recipe = {
            **request,
            "workload": self.workload.fingerprint,
            "tools": tool_versions(*_COMPRESS_TOOLS),
            "code": code_digest(*_COMPRESS_CODE),
        }
        return self._stage(clock, "compress", recipe, request)

    def distill(
        self, compressed: Entry, settings: Distillation, clock: StageClock, *, has_pattern: bool
    ) -> Entry:
        """Fine-tune from the unpruned teacher, whose outputs on the training data are kept."""
        request = {**asdict(settings), "has_pattern": has_pattern, "seed": self.seed}
        recipe = {
            **request,
            "model": compressed.digest,
            "workload": self.workload.fingerprint,
            "tools": tool_versions("torch", "numpy"),
            "code": code_digest(*_DISTILL_CODE),
            **_made_by(),
        }

        def build(out_dir: Path) -> dict[str, Any]:
            # The entries are held, so that they aren't removed, until the training has read them.
            outputs = self._teacher_outputs(settings.epochs) if settings.alpha > 0 else []
            return self.builder.run(
                "distill",
                **request,
                model=str(compressed.path),
                teacher_outputs=[str(entry.path) for entry in outputs],
                out_dir=str(out_dir),
            ).body

        return self._lookup(clock, "distill", recipe, build)

    def _teacher_outputs(self, epochs: int) -> list[Entry]:
        """Return the teacher's outputs on so many epochs; all students share them."""
        kept: list[Entry] = []
        for span in spans_of(epochs):
            kept.append(self._teacher_outputs_on(span))
            if not kept[-1].facts["batches"]:
                break  # a later span may take less still, and all that comes before it is drawn
        return kept

    def _teacher_outputs_on(self, span: range) -> Entry:
        request: dict[str, Any] = {"span": [span.start, span.stop], "seed": self.seed}
        recipe = {
            **request,
            "workload": self.workload.fingerprint,
            "tools": tool_versions("torch", "numpy"),
            "code": code_digest("evaluators.compress.teacher_outputs"),
            **_made_by(),
        }

        def build(out_dir: Path) -> dict[str, Any]:
            return self.builder.run("teacher_outputs", **request, out_dir=str(out_dir)).body

        return self.store.get_or_build("teacher_outputs", recipe, build)

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
            "batch_size": self.batch_size,  # of the calibration set, too
            "tools": tool_versions(*_QUANTIZE_TOOLS, _calibrator().installed_distribution()),
            "code": code_digest("evaluators.quantize"),
        }
        return self._stage(clock, "quantize", recipe, {**request, "model": str(exported.path)})

    def compile(self, model: Entry, candidate: Candidate, clock: StageClock) -> Entry:
        """Compile for the device, in a process of its own."""
        engine = load_engine(candidate.engine)
        flags = engine.flags_with(candidate.flags, candidate.sparsity_pattern)
        choice = {"engine": candidate.engine, "precision": candidate.precision, "flags": flags}
        recipe = {
            **choice,
            "model": model.digest,
            "tools": tool_versions(engine.installed_distribution()),
            "toolchain": engine.toolchain(flags),
            "provenance": self.provenance[candidate.engine],  # a stand-in takes another artifact
            "code": code_digest("evaluators.engines"),
            "worker": worker_digest(DEVICE_WORKER),
            "device": self.device.fingerprint(),
        }

        def build(out_dir: Path) -> dict[str, Any]:
            job = {"kind": "compile", **choice, "model": str(model.path), "out_dir": str(out_dir)}
            facts = self.device.run(job).body
            if engine.stand_in_artifact and self.provenance[candidate.engine] != MEASURED:
                facts["artifact"] = engine.stand_in_artifact
            return facts

        return self._lookup(clock, "compile", recipe, build)

    def _stage(
        self, clock: StageClock, stage: str, recipe: dict[str, Any], request: dict[str, Any]
    ) -> Entry:
        def build(out_dir: Path) -> dict[str, Any]:
            size = {"batch_size": self.batch_size, **request}
            with clock.turn(self.builder.turn):
                return self.builder.run(stage, **size, out_dir=str(out_dir)).body

        return self._lookup(clock, stage, {**recipe, **_made_by()}, build)

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


def _calibrator() -> Engine:
    """Return ONNX Runtime, which answers calibration samples whatever engine is quantized for."""
    return load_engine("onnxruntime")


def _made_by() -> dict[str, Any]:
    """Return what made everything that the build worker builds, for a recipe."""
    return {"worker": worker_digest(WORKER), "host": machine_fingerprint()}
