"""Train every model of the grid, and score what its artifacts answer.

Everything runs in this process on one thread, with the program's own stages. A row of the scratch
file holds one model::

    {"point": ["plain", 0.5, 2, 2.0, 0.5],          `grid.ModelPoint`
     "costs": {"prune": [cpu_s, wall_s], "distill": ..., "export": ..., "onnx_int8": ..., ...},
     "right": {"openvino/int8": "...", ...}}        which validation samples are answered rightly
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.replay_parts.grid import ENGINES, RECONSTRUCTED, ModelPoint
from benchmarks.replay_parts.packed_answers import packed
from benchmarks.replay_parts.stopwatch import Stopwatch
from evaluators.benchmark.accuracy import collect_outputs
from evaluators.compress.distill import distill
from evaluators.compress.prune import prune
from evaluators.engines import load_engine
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.quantize import EXPORTED_FORMS, load_quantizer
from spaces.workload import Array, Workload

Folders = Mapping[str, Path]
"""Portable form -> folder of the model in it."""


@dataclass(slots=True)
class Forge:
    """Makes models of one workload."""

    workload: Workload
    round_to: int

    def model(self, point: ModelPoint, watch: Stopwatch) -> nn.Module:
        """Return the compressed model."""
        teacher = self.workload.model()
        with watch.stage("prune"):
            student, _ = prune(
                teacher,
                self.workload.example_inputs(),
                point.sparsity,
                importance="l2",
                round_to=self.round_to,
            )
        if point.start == RECONSTRUCTED:
            raise NotImplementedError
        if point.epochs:
            with watch.stage("distill"):
                distill(
                    student,
                    teacher,
                    self.workload,
                    temperature=point.temperature,
                    alpha=point.alpha,
                    epochs=point.epochs,
                    seed=0,
                )
        return student

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
        torch.set_num_threads(1)
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
