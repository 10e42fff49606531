"""Our peak memory against a known number of bytes, and against what the kernel says at the end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fidelity_parts.artifacts import SAMPLES, child_environment
from benchmarks.fidelity_parts.measure import DEVICE, LIMITS, Artifact
from benchmarks.fidelity_parts.rig import Figures, Rig
from evaluators.devices.local import WORKER
from evaluators.engines import engine_names, load_engine
from evaluators.failures import failure_from_json
from evaluators.framing import encode_message, read_message
from tests.evaluators import numpy_engine

MIB = 2**20
MORE_BYTES = 100 * MIB
_FEW_BYTES = 20 * MIB

# The kernel's peak of a child, in the same field that `time -v` prints. Like `time`, what starts
# the child must be small: until it executes its own program, a child counts as large as its parent.
_WATCH = """
import os, sys
module, report = sys.argv[1:]
child = os.posix_spawn(sys.executable, [sys.executable, "-m", module], os.environ)
_, status, usage = os.wait4(child, 0)
with open(report, "w") as file:
    file.write(str(usage.ru_maxrss * 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Peak:
    """What we say of an artifact's memory, and what the kernel says of the same process."""

    artifact: Artifact
    baseline_bytes: int
    model_bytes: int
    kernel_bytes: int

    @property
    def ratio(self) -> float:
        """Return our absolute peak over the kernel's."""
        return (self.baseline_bytes + self.model_bytes) / self.kernel_bytes


def memory(rig: Rig) -> Figures:
    """Measure 100 MiB more of weights in NumPy, and one net on every engine that is here."""
    folder = rig.workshop.folder / "numpy"
    few, more = (
        _peak(_numpy_artifact(folder / name, size_bytes), rig, numpy_engine.__name__)
        for name, size_bytes in (("few", _FEW_BYTES), ("more", _FEW_BYTES + MORE_BYTES))
    )
    peaks = [few, more, *(_peak(artifact, rig, WORKER) for artifact in _engine_artifacts(rig))]
    _show(rig, peaks)
    ratios = [peak.ratio for peak in peaks]
    return {
        "memory_ratio": (more.model_bytes - few.model_bytes) / MORE_BYTES,
        "memory_to_kernel_peak_ratio_min": min(ratios),
        "memory_to_kernel_peak_ratio_max": max(ratios),
        "memory_n_engines": len({peak.artifact.engine for peak in peaks}),
    }


def _engine_artifacts(rig: Rig) -> list[Artifact]:
    engines = [load_engine(name) for name in engine_names()]
    here = [each for each in engines if not (each.missing() or each.missing_compiler())]
    net = rig.scale.memory_net
    return rig.build("memory", [(net, each.name, each.default_precision) for each in here])


def _numpy_artifact(folder: Path, size_bytes: int) -> Artifact:
    folder.mkdir(parents=True)
    numpy_engine.write_weights(folder, size_bytes)
    inputs = folder / "inputs.npy"
    rng = np.random.default_rng(0)
    np.save(inputs, rng.standard_normal((SAMPLES, numpy_engine.WIDTH)).astype(np.float32))
    engine = numpy_engine.ENGINE
    return Artifact(
        name=f"{size_bytes // MIB} MiB",
        engine=engine.name,
        precision=engine.default_precision,
        flags={name: flag.default for name, flag in engine.flags(1).items()},
        model=folder,
        folder=folder,
        file=numpy_engine.WEIGHTS_FILE,
        inputs=inputs,
    )


def _peak(artifact: Artifact, rig: Rig, worker: str) -> Peak:
    """Measure once, in a process whose end is watched."""
    rig.say(f"memory: {artifact.label}")
    with tempfile.TemporaryDirectory() as scratch, DEVICE.quiet():
        report = Path(scratch) / "peak"
        done = subprocess.run(  # noqa: S603  our own code
            [sys.executable, "-c", _WATCH, worker, str(report)],
            input=encode_message(artifact.job(rig.scale.timing)),
            env={**os.environ, **child_environment()},
            capture_output=True,
            timeout=LIMITS.stage_timeout_s,
            check=True,
        )
        kernel_bytes = int(report.read_text())
    answer = read_message(io.BytesIO(done.stdout).read).body
    if "failure" in answer:
        raise failure_from_json(answer["failure"])
    found = answer["result"]
    return Peak(artifact, found["baseline_bytes"], found["peak_memory_bytes"], kernel_bytes)


def _show(rig: Rig, peaks: list[Peak]) -> None:
    rows = [
        (
            peak.artifact.label,
            f"{peak.baseline_bytes / MIB:.1f}",
            f"{peak.model_bytes / MIB:.1f}",
            f"{peak.kernel_bytes / MIB:.1f}",
            f"{peak.ratio:.3f}",
        )
        for peak in peaks
    ]
    columns = ["artifact", "before MiB", "model's peak MiB", "kernel's peak MiB", "ratio"]
    rig.show("memory: before + model's peak, over the kernel's", columns, rows)
