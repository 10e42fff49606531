"""Record the table that replay.py replays: real models, real measurements, real costs.

::

    python benchmarks/record_table.py models --scratch DIR    train and score: an hour of one CPU
    python benchmarks/record_table.py shapes --scratch DIR    time every shape: a quarter of an hour
    python benchmarks/record_table.py pack --scratch DIR      write benchmarks/replay_table.json.gz

The first two go on where they were stopped. ``shapes`` wants a quiet machine; run again with
``--round 2`` it measures everything once more, and ``pack`` takes what was least disturbed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.fidelity_parts.measure import DEVICE
from benchmarks.replay_parts.grid import STARTS, grid_space, model_points, shape_points
from benchmarks.replay_parts.record_models import Forge, ModelRecorder, append_row, rows_of
from benchmarks.replay_parts.record_shapes import ShapeRecorder
from benchmarks.replay_parts.table import TABLE_FILE, write_table
from evaluators.benchmark.attempts import ATTEMPTS
from evaluators.benchmark.environment import cpu_model
from evaluators.recipe import tool_versions
from evaluators.store import default_root
from spaces.dimensions import Fixed
from spaces.load_workload import fingerprint, load_workload
from spaces.schema import Space

Row = dict[str, Any]
_ABOUT = (
    "Recorded by benchmarks/record_table.py on benchmarks/spaces/grid.yaml. Costs are [CPU "
    "seconds, wall seconds]; the replay takes the smaller. Models were trained and scored on one "
    "thread; the answers are those of each compiled artifact, with its engine's default flags on "
    "one thread. Latency and memory were measured on the pruned, untrained model of each shape."
)
_Point = TypeVar("_Point")


def main(arguments: Sequence[str] | None = None) -> None:
    """Record one part of the table."""
    options = _parse(arguments)
    options.scratch.mkdir(parents=True, exist_ok=True)
    if options.part == "models":
        record_models(options.scratch, options.start or STARTS)
    elif options.part == "shapes":
        record_shapes(options.scratch, options.round, options.attempts)
    else:
        pack(options.scratch, options.out)


def record_models(scratch: Path, starts: Sequence[str]) -> None:
    """Train and score the models that aren't in the scratch files yet."""
    space = grid_space()
    recorder = ModelRecorder(_forge(space, scratch))
    for start in starts:
        _record(scratch / f"models-{start}.jsonl", model_points(space, start), recorder.row)


def record_shapes(scratch: Path, round_: int, attempts: int) -> None:
    """Time the shapes that aren't in this round's scratch file yet."""
    space = grid_space()
    recorder = ShapeRecorder(_forge(space, scratch), scratch, attempts)
    points = shape_points(space, DEVICE.cpu_count)
    _record(scratch / f"shapes-{round_}.jsonl", points, recorder.row)


def pack(scratch: Path, path: Path) -> None:
    """Write the table from what the scratch files hold, the least disturbed of each shape.

    Raises:
        SystemExit: If a point of the grid is missing.
    """
    space = grid_space()
    shapes: dict[str, Row] = {}
    for file in sorted(scratch.glob("shapes-*.jsonl")):
        for row in rows_of(file):
            kept = shapes.setdefault(json.dumps(row["point"]), row)
            if row["disturbed"] < kept["disturbed"]:
                shapes[json.dumps(row["point"])] = row
    models = {
        json.dumps(row["point"]): row
        for start in STARTS
        for row in rows_of(scratch / f"models-{start}.jsonl")
    }
    models_wanted = (point for start in STARTS for point in model_points(space, start))
    wanted = [*models_wanted, *shape_points(space, DEVICE.cpu_count)]
    missing = sum(json.dumps(point) not in {**models, **shapes} for point in wanted)
    if missing:
        sys.exit(
            f"the scratch files must hold all {len(wanted)} points of the grid, but {missing} are "
            "missing. Go on with: record_table.py models, record_table.py shapes"
        )
    rows = {"models": models.values(), "shapes": shapes.values()}
    write_table(path, _header(_forge(space, scratch)), rows)


def _header(forge: Forge) -> Row:
    workload = forge.workload
    images = [torch.from_numpy(inputs["image"]) for inputs, _ in workload.validation_batches()]
    labels = np.concatenate([labels for _, labels in workload.validation_batches()])
    with torch.inference_mode():
        outputs = torch.cat([workload.model()(batch) for batch in images]).numpy()
    facts = {
        "fingerprint": fingerprint(workload),
        "metric": workload.metric,
        "direction": workload.direction,
        "inputs": {
            name: [list(a.shape), str(a.dtype)] for name, a in workload.example_inputs().items()
        },
        "is_trainable": True,
        "modules": [],
    }
    tools = ("torch", "torch-pruning", "onnx", "onnxruntime", "openvino", "nncf", "numpy")
    return {
        "about": _ABOUT,
        "machine": {"cpu_model": cpu_model(), "cpu_count": DEVICE.cpu_count},
        "tools": tool_versions(*tools),
        "workload": facts,
        "samples": len(labels),
        "reference_metric": float(workload.score([outputs], labels).mean()),
    }


def _record(path: Path, points: Iterable[_Point], row_of: Callable[[_Point], Row]) -> None:
    done = {json.dumps(row["point"]) for row in rows_of(path)}
    left = [point for point in points if json.dumps(point) not in done]
    for point in left[:1]:
        row_of(point)  # what is imported and compiled on first use is no stage's cost
    for point in track(left, path.stem):
        append_row(path, row_of(point))


def _forge(space: Space, scratch: Path) -> Forge:
    assert isinstance(space.workload, str)
    workload = load_workload(space.workload, space.folder.resolve(), default_root() / "teachers")
    round_to = space.search.pruning.round_to
    assert isinstance(round_to, Fixed)
    return Forge(workload, int(round_to.value), scratch)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["models", "shapes", "pack"])
    parser.add_argument("--scratch", type=Path, required=True, metavar="DIR")
    parser.add_argument("--start", action="append", choices=STARTS)
    parser.add_argument("--out", type=Path, default=TABLE_FILE, metavar="FILE")
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
