"""Google Coral's Edge TPU: the int8 TFLite model, compiled for it.

Compiling needs ``edgetpu_compiler`` (x86-64 only, so it is done where the search runs), running
needs ``libedgetpu`` and the device. Where either is absent the same int8 model is measured on the
CPU of the machine at hand, as a stand-in, or its latency is estimated; what the op check and the
compiler say about it holds all the same.

``compile`` leaves::

    model.tflite           the portable int8 model, which runs on any CPU
    model_edgetpu.tflite   where the compiler is there: one custom op for all that maps
    io.json                see `evaluators.engines.tflite.session`
"""

from __future__ import annotations

import ctypes
import hashlib
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from evaluators.engines.engine import Compiled, Engine, Figure, Missing, Session
from evaluators.engines.tflite.edgetpu_compiler import (
    COMPILED_FILE,
    CompilerReport,
    compile_for_edgetpu,
    find_compiler,
)
from evaluators.engines.tflite.edgetpu_cycles import CLOCK_HZ, estimate_cycles
from evaluators.engines.tflite.edgetpu_ops import count_cpu_ops, refusal_of, unmapped_ops
from evaluators.engines.tflite.graph import read_graph
from evaluators.engines.tflite.session import (
    MODEL_FILE,
    TfliteSession,
    compile_as_is,
    load_interpreter_module,
    load_tflite_runtime,
    missing_runtime,
)
from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.flag import Flag, FlagValue

DELEGATE = "libedgetpu.so.1"
MOST_STEPS = 8
"""Of the output's quantization, by which device and CPU may differ. TFLite's own two sets of CPU
kernels round differently, too: by up to 3 steps on a ResNet-8."""

_NO_COMPILER = "edgetpu_compiler isn't on PATH (it comes from Google's Coral packages, x86-64)"
_ESTIMATED_BY = "an estimate of edgetpu_compiler's own cycle estimate"
_FROM_THE_LOG = {
    "edgetpu_mapped_ops": "maximize",
    "edgetpu_cpu_ops": "minimize",
    "edgetpu_subgraphs": "minimize",
    "edgetpu_onchip_bytes": "minimize",
    "edgetpu_onchip_free_bytes": "maximize",
    "edgetpu_offchip_bytes": "minimize",
}


class EdgeTpuEngine(Engine):
    """Compiles for the Edge TPU and runs there, or on the CPU as a stand-in."""

    name = "edgetpu"
    forms: Mapping[str, str] = {"int8": "tflite_int8"}
    default_precision = "int8"
    distribution = "ai-edge-litert"
    module = "ai_edge_litert"
    extra = "litert"
    processor = "edgetpu"
    compiles_on_host = True  # the compiler is for x86-64, most boards are not
    stand_in_artifact = MODEL_FILE
    figures: Mapping[str, Figure] = {
        **{name: Figure(direction, "measured") for name, direction in _FROM_THE_LOG.items()},
        "edgetpu_cycles": Figure("minimize", "estimated: " + _ESTIMATED_BY),
    }
    estimated_by = _ESTIMATED_BY

    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return ``threads`` of the CPU part, and how many ops may be in it."""
        cpu_ops = "ops allowed to run on the CPU because they don't map"
        return {
            "threads": Flag((1, 2), 1, "CPU threads for what isn't mapped", minimum=1),
            "max_cpu_ops": Flag((0,), 0, cpu_ops, minimum=0),
        }

    def missing(self) -> Optional[Missing]:
        """Return what to install where neither name of the TFLite runtime is found."""
        return missing_runtime(self.extra)

    def refusal(self, precision: str, flags: Mapping[str, FlagValue]) -> Optional[str]:
        """Refuse every precision but int8."""
        if precision == "int8":
            return None
        return "precision on edgetpu must be int8, but got {}. Its tiles only know 8-bit.".format(
            precision
        )

    def stand_in_reason(self) -> Optional[str]:
        """Say that the device is absent."""
        if device_answers():
            return None
        return "no Edge TPU answers through {} (connect one and install libedgetpu)".format(
            DELEGATE
        )

    def compiler_reason(self) -> Optional[str]:
        """Say that the compiler is absent."""
        return None if find_compiler() else _NO_COMPILER

    def unknown_figures(self) -> Mapping[str, str]:
        """Return what only the compiler can tell, where it is absent."""
        return {} if find_compiler() else dict.fromkeys(_FROM_THE_LOG, _NO_COMPILER)

    def toolchain(self, flags: Mapping[str, FlagValue]) -> str:
        """Return the SHA-256 of the compiler's executable, or nothing where there is none."""
        compiler = find_compiler()
        return "" if compiler is None else hashlib.sha256(Path(compiler).read_bytes()).hexdigest()

    def load_runtime(self) -> str:
        """Import the interpreter."""
        return load_tflite_runtime()

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Check that the ops map, then compile where the compiler is there."""
        max_cpu_ops = int(flags["max_cpu_ops"])
        ops = read_graph((model / MODEL_FILE).read_bytes())
        reason = refusal_of(ops, max_cpu_ops)
        if reason:
            raise CandidateRejected(reason)
        portable = compile_as_is(model, out_dir, int(flags["threads"]), xnnpack=True)
        cpu_ops = count_cpu_ops(ops, unmapped_ops(ops))
        cycles = estimate_cycles(ops[: len(ops) - cpu_ops])
        metrics: Dict[str, float] = {} if cycles is None else {"edgetpu_cycles": cycles}
        latency_s = None if cycles is None or cpu_ops else cycles / CLOCK_HZ
        compiler = find_compiler()
        if compiler is None:
            return portable._replace(metrics=metrics, latency_s=latency_s)
        report = compile_for_edgetpu(compiler, out_dir / MODEL_FILE, out_dir)
        if report.metrics["edgetpu_cpu_ops"] > max_cpu_ops:
            raise CandidateRejected(_too_many_cpu_ops(report))
        metrics.update(report.metrics)
        whole_s = None if report.metrics["edgetpu_cpu_ops"] else latency_s
        return Compiled(COMPILED_FILE, metrics, portable.notes + _notes(report), whole_s)

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Load the compiled model onto the Edge TPU, or the portable one onto the CPU."""
        threads = int(flags["threads"])
        if artifact != COMPILED_FILE:
            return TfliteSession(compiled / artifact, threads)
        return EdgeTpuSession(compiled / artifact, threads, delegate=_load_delegate())


class EdgeTpuSession(TfliteSession):
    """A session on the device, which may be unplugged while it runs.

    ``path`` has the portable model beside it.
    """

    def __init__(self, path: Path, threads: int, *, delegate: Any) -> None:
        super().__init__(path, threads, delegate=delegate)
        self._portable = path.parent / MODEL_FILE

    def disagreement(self, batches: Sequence[Sequence[np.ndarray]]) -> Optional[str]:
        """Compare with the portable model on the CPU, in steps of the output's quantization."""
        with TfliteSession(self._portable, 1) as on_cpu:
            steps = max(
                _steps_apart(ours, theirs)
                for batch in batches
                for ours, theirs in zip(
                    self.infer(self.prepare(batch)), on_cpu.infer(on_cpu.prepare(batch))
                )
            )
        if steps <= MOST_STEPS:
            return None
        return (
            "the Edge TPU's answers must be within {} of 255 steps of those of the same model on "
            "the CPU, but are {:.0f} steps off. Compile it anew, or try another device or runtime."
        ).format(MOST_STEPS, steps)

    def infer(self, prepared: List[Any]) -> List[Any]:
        """Run one batch.

        Raises:
            DeviceLost: If the runtime can't, which it could when it allocated the tensors.
        """
        try:
            return super().infer(prepared)
        except RuntimeError as error:
            raise DeviceLost("the Edge TPU stopped answering: {}".format(error)) from error


def _steps_apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference in steps; where outputs are float, of 255 over their range.

    Wider integers are class indices or the like, which a rounding may change by any number.
    """
    if ours.dtype.kind != "f" and ours.dtype.itemsize > 1:
        return 0.0
    apart = float(np.abs(ours.astype(np.float64) - theirs).max(initial=0.0))
    if ours.dtype.kind != "f" or not apart:
        return apart
    across = float(np.ptp(theirs))
    return 255 * apart / across if across else float("inf")


def device_answers() -> bool:
    """Say whether an Edge TPU can be opened; the next process finds it free again."""
    try:
        _load_delegate()
    except DeviceLost:
        return False
    return True


def _load_delegate() -> Any:
    try:
        # Loaded once by hand, because the runtime's own Delegate, if it can't load the library,
        # raises a second error from its destructor.
        ctypes.CDLL(DELEGATE)
        return load_interpreter_module().load_delegate(DELEGATE)
    except OSError as error:
        raise DeviceLost("{} must be installed: {}".format(DELEGATE, error)) from error
    except ValueError as error:
        raise DeviceLost("{} finds no Edge TPU; connect one".format(DELEGATE)) from error


def _too_many_cpu_ops(report: CompilerReport) -> str:
    named = "; ".join("{} {}: {}".format(count, kind, why) for kind, count, why in report.unmapped)
    return (
        "int8 on edgetpu: every op must map to the Edge TPU, but the compiler left {:.0f} on the "
        "CPU ({}). Change them in the model, or allow it with edgetpu.max_cpu_ops: {:.0f}."
    ).format(report.metrics["edgetpu_cpu_ops"], named, report.metrics["edgetpu_cpu_ops"])


def _notes(report: CompilerReport) -> List[str]:
    notes = ["Compiled by edgetpu_compiler {}.".format(report.version)]
    for kind, count, why in report.unmapped:
        notes.append("{} {} on the CPU: {}.".format(count, kind, why))
    return notes


ENGINE = EdgeTpuEngine()
