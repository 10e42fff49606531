"""Train every model of the grid, and score what its artifacts answer.

Everything runs in this process on one thread, with the program's own stages. A row of the scratch
file holds one model::

    {"point": ["plain", 0.5, 2, 2.0, 0.5],          `grid.ModelPoint`
     "costs": {"prune": [cpu_s, wall_s], "distill": ..., "export": ..., "onnx_int8": ..., ...},
     "right": {"openvino/int8": "...", ...}}        which validation samples are answered rightly
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.replay_parts.grid import ENGINES, RECONSTRUCTED, TEACHER_OUTPUTS, ModelPoint
from benchmarks.replay_parts.packed_answers import packed
from benchmarks.replay_parts.stopwatch import Stopwatch
from evaluators.benchmark.accuracy import collect_outputs
from evaluators.compress.dense_targets import DenseTargets, dense_targets
from evaluators.compress.distill import (
    distill,
    pruned_learning_rate,
    reconstructed_learning_rate,
)
from evaluators.compress.prune import prune
from evaluators.compress.reconstruct import reconstruct
from evaluators.compress.teacher_outputs import (
    TeacherOutputs,
    keep_teacher_outputs,
    read_teacher_outputs,
)
from evaluators.engines import load_engine
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.quantize import EXPORTED_FORMS, load_quantizer
from spaces.workload import Array, Workload

_SEED = 0
Folders = Mapping[str, Path]
"""Portable form -> folder of the model in it."""


class Forge:
    """Makes models of one workload, as the program's stages do.

    Args:
        workload: Its teacher is trained already.
        round_to: Widths are multiples of it.
        scratch: Where the teacher's outputs are kept.
    """

    def __init__(self, workload: Workload, round_to: int, scratch: Path) -> None:
        torch.set_num_threads(1)
        self.workload = workload
        self._round_to = round_to
        self._scratch = scratch
        self._shared = Stopwatch()
        self._targets: DenseTargets | None = None

    def model(self, point: ModelPoint, watch: Stopwatch) -> nn.Module:
        """Return the compressed model."""
        with watch.stage("prune"):
            student, pruned = prune(
                self.workload.model(),
                self.workload.example_inputs(),
                point.sparsity,
                importance="l2",
                round_to=self._round_to,
            )
        if point.start == RECONSTRUCTED and pruned.kept_channels:
            targets = self._dense_targets(watch)
            with watch.stage("reconstruct"):
                reconstruct(student, targets, pruned.kept_channels)
        if point.epochs:
            self._distill(student, point, watch)
        return student

    def _distill(self, student: nn.Module, point: ModelPoint, watch: Stopwatch) -> None:
        """Fine-tune, each start at the rate that suits it; ours with kept outputs."""
        is_ours = point.start == RECONSTRUCTED
        kept = self._teacher_outputs(point.epochs, watch) if is_ours else None
        rate_of = reconstructed_learning_rate if is_ours else pruned_learning_rate
        with watch.stage("distill"):
            distill(
                student,
                self.workload.model(),
                self.workload,
                temperature=point.temperature,
                alpha=point.alpha,
                epochs=point.epochs,
                seed=_SEED,
                learning_rate=rate_of(point.epochs),
                kept=kept,
            )

    def _dense_targets(self, watch: Stopwatch) -> DenseTargets:
        """Return the teacher's pre-activations, which a run computes once."""
        if self._targets is None:
            images = [inputs["image"] for inputs, _ in self.workload.calibration_batches()]
            with self._shared.stage("dense_targets"):
                self._targets = dense_targets(
                    self.workload.model(), [np.concatenate(images)], seed=_SEED
                )
        watch.take_over("dense_targets", self._shared)
        return self._targets

    def _teacher_outputs(self, epochs: int, watch: Stopwatch) -> TeacherOutputs:
        """Return the teacher's outputs on so many epochs, which all students of a run share."""
        name = f"{TEACHER_OUTPUTS}/{epochs}"
        folder = self._scratch / name
        if name not in self._shared.cpu_s:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            with self._shared.stage(name):
                whole = range(epochs)
                keep_teacher_outputs(self.workload.model(), self.workload, whole, _SEED, folder)
        watch.take_over(name, self._shared)
        return read_teacher_outputs([folder])

    def forms(self, model: nn.Module, folder: Path, watch: Stopwatch) -> Folders:
        """Write a model in every portable form that the engines eat."""
        wanted = {form for name in ENGINES for form in load_engine(name).forms.values()}
        found = {form: folder / form for form in sorted(wanted)}
        for path in found.values():
            path.mkdir(parents=True)
        with watch.stage("export"):
            export_onnx(model, self.workload.example_inputs(), found["onnx"])
        for form, path in found.items():
            if form not in EXPORTED_FORMS:
                quantizer = load_quantizer(form)
                settings = {name: flag.default for name, flag in quantizer.SETTINGS.items()}
                with watch.stage(form):
                    quantizer.quantize(found["onnx"], self._calibration(), settings, path)
        return found

    def _calibration(self) -> list[list[Array]]:
        batches = self.workload.calibration_batches()
        return [[image[None]] for inputs, _ in batches for image in inputs["image"]]


class ModelRecorder:
    """Trains and scores one model after another."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    def row(self, point: ModelPoint) -> dict[str, Any]:
        """Return what is kept of one model."""
        watch = Stopwatch()
        model = self._forge.model(point, watch)
        with tempfile.TemporaryDirectory() as scratch:
            forms = self._forge.forms(model, Path(scratch) / "forms", watch)
            right = {
                f"{name}/{precision}": packed(self._right(name, precision, forms, Path(scratch)))
                for name in ENGINES
                for precision in ("fp32", "bf16", "int8")
                if precision in load_engine(name).forms
            }
        return {"point": list(point), "costs": watch.to_json(), "right": right}

    def _right(self, name: str, precision: str, forms: Folders, scratch: Path) -> Array:
        """Return which samples an artifact answers rightly, of shape (n,)."""
        engine = load_engine(name)
        known = engine.flags(1)
        flags = {flag: each.default for flag, each in known.items() if each.matters_for(precision)}
        folder = scratch / f"{name}-{precision}"
        folder.mkdir()
        compiled = engine.compile(forms[engine.forms[precision]], precision, flags, folder)
        images, labels = self._validation
        with engine.open(folder, compiled.artifact, precision, flags) as session:
            return self._forge.workload.score(collect_outputs(session, [images], 1), labels)

    @cached_property
    def _validation(self) -> tuple[Array, Array]:
        batches = list(self._forge.workload.validation_batches())
        images = np.concatenate([inputs["image"] for inputs, _ in batches])
        return images, np.concatenate([labels for _, labels in batches])


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line to a scratch file, so that recording goes on where it was stopped."""
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a scratch file; none where it isn't there yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
