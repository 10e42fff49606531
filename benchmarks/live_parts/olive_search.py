"""Olive in a virtual environment of its own, and its best models as artifacts for our bench.

Olive sends usage data unless it is told not to; here it is told.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fidelity_parts.measure import Artifact, run_job
from benchmarks.live_parts.setting import SPLITS, Setting
from benchmarks.outcome import SMALL_DROP
from evaluators.benchmark.cpus import usable_cpus
from evaluators.failures import EvaluationFailure

NAME = "olive"
_SCRIPT = Path(__file__).with_name("run_olive.py")
_LEVELS = {1: "basic", 2: "extended", 99: "all"}
_GRACE_S = 300
"""Olive asks for the time only between two models."""


@dataclass(frozen=True, slots=True)
class OliveModel:
    """A model that Olive evaluated, with its own figures.

    Attributes:
        session: Session options by ONNX Runtime's names.
    """

    file: Path
    session: Mapping[str, Any]
    accuracy: float
    latency_p90_ms: float


def search(setting: Setting, python: Path, classes: int) -> list[OliveModel]:
    """Search for the time that every method has, and return what Olive evaluated.

    Raises:
        RuntimeError: If it fails or evaluates nothing; its last words are in the message.
    """
    folder = setting.folder / NAME
    folder.mkdir()
    request, answer, log = (folder / name for name in ("request.json", "answer.json", "log"))
    request.write_text(json.dumps(_request(setting, classes)))
    with log.open("w") as output:
        done = subprocess.run(  # noqa: S603  the person named this Python
            [python, _SCRIPT, request, answer],
            env={**os.environ, "OLIVE_DISABLE_TELEMETRY": "1", "PYTHONPATH": ""},
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=setting.seconds + _GRACE_S,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"Olive failed: {log.read_text().strip().splitlines()[-1]}")
    models = [OliveModel(Path(each.pop("file")), **each) for each in json.loads(answer.read_text())]
    if not models:
        raise RuntimeError(f"Olive evaluated no model. {_last_error(log)}")
    return models


def fastest(models: Sequence[OliveModel], reference_metric: float, count: int) -> list[OliveModel]:
    """Return the fastest by Olive's own measurement of those whose accuracy hardly drops."""
    good = [m for m in models if reference_metric - m.accuracy <= SMALL_DROP + 1e-6]
    return sorted(good, key=lambda model: model.latency_p90_ms)[:count]


def artifacts_of(models: Sequence[OliveModel], folder: Path, inputs: Path) -> list[Artifact]:
    """Compile what Olive found for our bench, with the session options that it chose.

    One that ONNX Runtime can't load alone is left out.
    """
    found = []
    for number, model in enumerate(models):
        portable, out_dir = folder / f"olive-{number}", folder / f"olive-{number}-compiled"
        portable.mkdir(parents=True)
        out_dir.mkdir()
        shutil.copyfile(model.file, portable / "model.onnx")
        choice: dict[str, Any] = {
            "engine": "onnxruntime",
            "precision": "int8",
            "flags": _flags(model.session),
        }
        job = {"kind": "compile", **choice, "model": str(portable), "out_dir": str(out_dir)}
        try:
            compiled = run_job(job)
        except EvaluationFailure:
            continue
        found.append(
            Artifact(
                name=f"olive {number}",
                **choice,
                model=portable,
                folder=out_dir,
                file=compiled["artifact"],
                inputs=inputs,
            )
        )
    return found


def _last_error(log: Path) -> str:
    """Return what Olive said last of something that went wrong: it goes on after every failure."""
    lines = (line.strip() for line in log.read_text().splitlines())
    errors = [line for line in lines if re.match(r"\w*(Error|Exception)\b", line)]
    return errors[-1] if errors else "Its log says nothing of an error."


def _flags(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's flags for ONNX Runtime's session options."""
    return {
        "threads": session.get("intra_op_num_threads") or len(usable_cpus()),
        "graph_optimization": _LEVELS[session.get("graph_optimization_level") or 99],
        "execution_mode": "sequential",
        "spinning": True,
    }


def _request(setting: Setting, classes: int) -> dict[str, Any]:
    arrays = {
        f"{split}_{name}": str(setting.prepared / f"{split}_{name}.npy")
        for split in SPLITS
        for name in ("images", "labels")
    }
    return {
        "model": str(setting.prepared / "model.onnx"),
        **arrays,
        "classes": classes,
        "largest_drop": SMALL_DROP,
        "seconds": setting.seconds,
        "seed": setting.seed,
        "threads": len(usable_cpus()),
    }
