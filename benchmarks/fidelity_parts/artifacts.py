"""Artifacts to measure: small nets with seeded random weights, built by the program's own stages.

A net is a stem and a row of equal 3x3 convolutions. Its speed doesn't depend on its weights, so
nothing is trained; width, size and depth are chosen for a latency::

    Net(width=64, size=32, blocks=4)    4 x 38 MMAC: about 2 ms in fp32 on one core of a server
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.fidelity_parts.measure import LIMITS, Artifact, run_job
from evaluators.child_process import ChildProcess
from evaluators.engines import load_engine
from evaluators.flag import FlagValue

ROOT = Path(__file__).parents[2]
SAMPLES = 8
"""How many different inputs a measurement goes through."""


@dataclass(frozen=True, slots=True)
class Net:
    """A convolutional net for images of shape (3, size, size)."""

    width: int
    size: int
    blocks: int

    @property
    def name(self) -> str:
        """Return a file name."""
        return f"w{self.width}-s{self.size}-b{self.blocks}"

    def images(self) -> np.ndarray:
        """Return the same inputs every time, of shape (SAMPLES, 3, size, size)."""
        rng = np.random.default_rng(0)
        return rng.standard_normal((SAMPLES, 3, self.size, self.size)).astype(np.float32)


@dataclass(slots=True)
class Workshop:
    """Builds what is asked for, once, under one folder.

    Torch and the converters live in a child, as they do in a search; it sleeps while something is
    timed.

    ::

        folder/w64-s32-b4/inputs/0.npy        SAMPLES inputs
        folder/w64-s32-b4/onnx/               what the exporter wrote, one folder a form
        folder/w64-s32-b4/openvino-fp32/      what the engine compiled
    """

    folder: Path
    _builder: ChildProcess | None = None
    _built: dict[tuple[Net, str, str], Artifact] = field(default_factory=dict)

    def artifact(self, net: Net, engine: str, precision: str) -> Artifact:
        """Return the net compiled by an engine: one thread and one stream, else its defaults."""
        key = (net, engine, precision)
        if key not in self._built:
            self._built[key] = self._compile(net, engine, precision)
        return self._built[key]

    def close(self) -> None:
        """End the child."""
        if self._builder is not None:
            self._builder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _compile(self, net: Net, engine: str, precision: str) -> Artifact:
        model = self._portable(net, load_engine(engine).forms[precision])
        out_dir = self.folder / net.name / f"{engine}-{precision}"
        out_dir.mkdir()
        choice: dict[str, Any] = {
            "engine": engine,
            "precision": precision,
            "flags": dict(single_thread_flags(engine)),
        }
        job = {"kind": "compile", **choice, "model": str(model), "out_dir": str(out_dir)}
        compiled = run_job(job)
        return Artifact(
            name=net.name,
            **choice,
            model=model,
            folder=out_dir,
            file=compiled["artifact"],
            inputs=self._inputs(net),
        )

    def _portable(self, net: Net, form: str) -> Path:
        folder = self.folder / net.name
        self._inputs(net)
        if not (folder / form).exists():
            if self._builder is None:
                self._builder = ChildProcess(
                    "benchmarks.fidelity_parts.portable", LIMITS, child_environment()
                )
            self._builder.request({"net": asdict(net), "form": form, "folder": str(folder)})
        return folder / form

    def _inputs(self, net: Net) -> Path:
        path = self.folder / net.name / "inputs" / "0.npy"
        if not path.exists():
            path.parent.mkdir(parents=True)
            np.save(path, net.images())
        return path


def single_thread_flags(engine: str) -> Mapping[str, FlagValue]:
    """Return an engine's default flags with one thread, and one stream where it has streams."""
    chosen = {name: flag.default for name, flag in load_engine(engine).flags(1).items()}
    return chosen | {name: 1 for name in ("threads", "streams") if name in chosen}


def child_environment() -> dict[str, str]:
    """Return what lets a child import this folder and the tests, which aren't installed."""
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{ROOT}{os.pathsep}{inherited}" if inherited else str(ROOT)}
