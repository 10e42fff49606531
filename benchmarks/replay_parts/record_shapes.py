"""Time every shape of the grid, as the program does: a fresh process, the machine's lock, no meter.

Latency and memory don't depend on what the weights are, so the pruned models are taken as they are,
untrained. A row of the scratch file holds one shape in one round::

    {"point": [0.5, "openvino", "int8", [["threads", 1], ...]],    `grid.ShapePoint`
     "costs": {"compile": [cpu_s, wall_s], "benchmark": ..., "score": ...},
     "latency_p50_s": 0.00031, "latency_p90_s": 0.00033, "peak_memory_bytes": 9.1e6,
     "model_size_bytes": 402000, "disturbed": 0.0}    severity; 0 where nothing disturbed it
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fidelity_parts.measure import DEVICE
from benchmarks.replay_parts.grid import PLAIN, ModelPoint, ShapePoint
from benchmarks.replay_parts.record_models import Folders, Forge
from benchmarks.replay_parts.stopwatch import Stopwatch
from evaluators.engines import load_engine
from evaluators.framing import Message
from evaluators.measurement import PowerSource, quantities_of
from evaluators.statistics import fewest_queries

_TIMING = {"min_queries": fewest_queries(0.90), "min_duration_s": 1.0}
_KEPT = ("latency_p50_s", "latency_p90_s", "peak_memory_bytes", "model_size_bytes")


class ShapeRecorder:
    """Compiles and times one shape after another.

    Args:
        forge: Makes the models.
        scratch: Where models and inputs are kept between two sessions.
        attempts: How often a disturbed measurement is tried in all.
    """

    def __init__(self, forge: Forge, scratch: Path, attempts: int) -> None:
        self._forge = forge
        self._attempts = attempts
        self._scratch = scratch
        self._inputs = scratch / "validation.npy"
        batches = list(forge.workload.validation_batches())
        np.save(self._inputs, np.concatenate([inputs["image"] for inputs, _ in batches]))
        self._labels = np.concatenate([labels for _, labels in batches])

    def row(self, point: ShapePoint) -> dict[str, Any]:
        """Return what is kept of one shape."""
        watch = Stopwatch()
        model = self._forms(point.sparsity)[load_engine(point.engine).forms[point.precision]]
        with tempfile.TemporaryDirectory() as folder:
            compiled = self._compiled(point, model, Path(folder), watch)
            answer = self._least_disturbed(point, Path(folder), compiled["artifact"], watch)
            size_bytes = (Path(folder) / compiled["artifact"]).stat().st_size
        with watch.stage("score"):
            self._forge.workload.score(answer.arrays[2:], self._labels)
        answer.body["memory_method"] = "VmHWM"
        found = quantities_of(
            answer.body, answer.arrays[0], PowerSource(None, None), "measured", size_bytes
        )
        return {
            "point": [*point[:3], [list(flag) for flag in point.flags]],
            "costs": watch.to_json(),
            **{name: found[name].value for name in _KEPT},
            "disturbed": answer.body["disturbance"]["severity"],
        }

    def _forms(self, sparsity: float) -> Folders:
        """Return the pruned model in every portable form, made once."""
        folder = self._scratch / "shapes" / f"{sparsity:g}"
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            model = self._forge.model(ModelPoint(PLAIN, sparsity, 0, 0.0, 0.0), Stopwatch())
            self._forge.forms(model, partial, Stopwatch())
            partial.rename(folder)
        return {path.name: path for path in folder.iterdir()}

    def _compiled(
        self, point: ShapePoint, model: Path, folder: Path, watch: Stopwatch
    ) -> dict[str, Any]:
        job = {"kind": "compile", **_choice(point), "model": str(model), "out_dir": str(folder)}
        with watch.stage("compile"):
            return DEVICE.run(job).body

    def _least_disturbed(
        self, point: ShapePoint, folder: Path, artifact: str, watch: Stopwatch
    ) -> Message:
        """Measure until nothing disturbs it; the stage's cost is that of the last attempt."""
        job = {
            "kind": "benchmark",
            **_choice(point),
            "compiled": str(folder),
            "artifact": artifact,
            "inputs": {"validation": [str(self._inputs)]},
            "answer_splits": ["validation"],
            "batch_size": 1,
            "timing": _TIMING,
            "meter": None,
            "meter_program": [],
        }
        answers = []
        for _ in range(self._attempts):
            with DEVICE.quiet(), watch.stage("benchmark"):
                answers.append(DEVICE.run(job))
            if not answers[-1].body["disturbance"]["reasons"]:
                break
        return min(answers, key=lambda answer: float(answer.body["disturbance"]["severity"]))


def _choice(point: ShapePoint) -> dict[str, Any]:
    return {"engine": point.engine, "precision": point.precision, "flags": dict(point.flags)}
