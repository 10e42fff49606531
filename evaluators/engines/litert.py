"""LiteRT, the runtime that used to be called TensorFlow Lite, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Optional

from evaluators.engines.engine import Compiled, Engine, Missing, Session
from evaluators.engines.tflite.session import (
    TfliteSession,
    compile_as_is,
    load_tflite_runtime,
    missing_runtime,
)
from evaluators.flag import Flag, FlagValue


class LitertEngine(Engine):
    """Runs the portable file as it is: all optimisation happens when the interpreter loads it."""

    name = "litert"
    forms: Mapping[str, str] = {"fp32": "tflite", "fp16": "tflite_fp16", "int8": "tflite_int8"}
    distribution = "ai-edge-litert"
    module = "ai_edge_litert"
    extra = "litert"

    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return ``threads``, which LiteRT itself leaves at 1, and ``xnnpack``."""
        return {
            "threads": Flag(tuple(range(1, cpu_count + 1)), 1, "CPU threads", minimum=1),
            "xnnpack": Flag((True, False), True, "the XNNPACK delegate, or TFLite's own kernels"),
        }

    def missing(self) -> Optional[Missing]:
        """Return what to install where neither name of the runtime is found."""
        return missing_runtime(self.extra)

    def load_runtime(self) -> str:
        """Import the interpreter."""
        return load_tflite_runtime()

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Copy the model once the interpreter has allocated it."""
        return compile_as_is(model, out_dir, int(flags["threads"]), xnnpack=bool(flags["xnnpack"]))

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Load the file."""
        path = compiled / artifact
        return TfliteSession(path, int(flags["threads"]), xnnpack=bool(flags["xnnpack"]))


ENGINE = LitertEngine()
