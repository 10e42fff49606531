"""The recorded table: what every point of the grid measured, and what each of its stages cost.

One compressed JSON file::

    {
        "version": 1,
        "about": "...",
        "machine": {...},
        "workload": {...},
        "samples": 600,
        "reference_metric": 0.937,
        "models": [...],
        "shapes": [...],
    }

``models`` and ``shapes`` are rows of `record_models` and `record_shapes`. Accuracy was scored for
each model, engine and precision, with the engine's own default flags; latency and memory were
measured for each shape with each set of flags, on untrained weights, since they don't depend on
what the weights are.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay_parts.grid import ModelPoint, ShapePoint
from benchmarks.replay_parts.packed_answers import unpacked
from benchmarks.replay_parts.stopwatch import cost_s
from evaluators.workload_facts import WorkloadFacts

VERSION = 1
TABLE_FILE = Path(__file__).parents[1] / "replay_table.json.gz"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A compressed model.

    Attributes:
        costs_s: Stage or portable form -> seconds.
        right: ``engine/precision`` -> which validation samples it answers rightly, shape (n,).
    """

    costs_s: Mapping[str, float]
    right: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """A shape, compiled with some flags.

    Attributes:
        costs_s: Of ``compile``, ``benchmark`` and ``score``.
    """

    costs_s: Mapping[str, float]
    latency_p50_s: float
    latency_p90_s: float
    peak_memory_bytes: float
    model_size_bytes: float


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that was recorded.

    Attributes:
        reference_metric: Of the model as given, in float32.
        cpu_count: Of the machine that it was recorded on.
    """

    workload: WorkloadFacts
    reference_metric: float
    cpu_model: str
    cpu_count: int
    models: Mapping[ModelPoint, ModelRow]
    shapes: Mapping[ShapePoint, ShapeRow]


def read_table(path: Path = TABLE_FILE) -> Table:
    """Read a table.

    Raises:
        ValueError: If it is of another version.
    """
    with gzip.open(path, "rt") as file:
        data = json.load(file)
    if data["version"] != VERSION:
        raise ValueError(
            f"{path} must be of version {VERSION}, but is of {data['version']}. Record it again "
            "with benchmarks/record_table.py."
        )
    return Table(
        WorkloadFacts(**{**data["workload"], "modules": tuple(data["workload"]["modules"])}),
        data["reference_metric"],
        data["machine"]["cpu_model"],
        data["machine"]["cpu_count"],
        {model_point(row): _model_row(row, data["samples"]) for row in data["models"]},
        {shape_point(row): _shape_row(row) for row in data["shapes"]},
    )


def write_table(path: Path, header: Mapping[str, Any], rows: Mapping[str, Iterable[Any]]) -> None:
    """Write a table; equal content gives equal bytes."""
    document = {"version": VERSION, **header, **{name: list(found) for name, found in rows.items()}}
    content = json.dumps(document, separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(content, mtime=0))


def model_point(row: Mapping[str, Any]) -> ModelPoint:
    """Return the point of a row of ``models``."""
    return ModelPoint(*row["point"])


def shape_point(row: Mapping[str, Any]) -> ShapePoint:
    """Return the point of a row of ``shapes``."""
    sparsity, engine, precision, flags = row["point"]
    return ShapePoint(sparsity, engine, precision, tuple((name, value) for name, value in flags))


def _model_row(row: Mapping[str, Any], samples: int) -> ModelRow:
    right = {name: unpacked(text, samples) for name, text in row["right"].items()}
    return ModelRow(_costs_s(row), right)


def _shape_row(row: Mapping[str, Any]) -> ShapeRow:
    return ShapeRow(
        _costs_s(row),
        row["latency_p50_s"],
        row["latency_p90_s"],
        row["peak_memory_bytes"],
        row["model_size_bytes"],
    )


def _costs_s(row: Mapping[str, Any]) -> dict[str, float]:
    return {stage: cost_s(cpu_s, wall_s) for stage, (cpu_s, wall_s) in row["costs"].items()}
