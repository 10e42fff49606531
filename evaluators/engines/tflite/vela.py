"""Vela, Arm's compiler for Ethos-U: run it, and read the tables that it writes.

It puts every op that it can on the NPU and leaves the others to the CPU. How long the NPU's ops
take it estimates itself, from the chip and the memory around it; what runs on the CPU counts as
nothing there, so for such a model its estimate isn't one of an inference.

It leaves in the output folder::

    model_vela.tflite         one custom op for each stretch that runs on the NPU
    model_per-layer.csv       an op a row: Original Operator, Target (NPU or CPU), Op Cycles, ...
    model_summary_SYSTEM.csv  one row: cycles_total, core_clock, sram_memory_used (KiB), ...
"""

from __future__ import annotations

import csv
import signal
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from evaluators.engines.tflite.compiler_process import run_compiler
from evaluators.failures import CandidateAborted, CandidateRejected

COMPILED_FILE = "model_vela.tflite"
TIMEOUT_S = 300

# The system that Arm's own configuration file describes for each family, with its clock and the
# speed of its memories: those that Vela takes where nobody names one.
SYSTEMS = {
    "ethos-u55": "Ethos_U55_High_End_Embedded",
    "ethos-u65": "Ethos_U65_Client_Server",
    "ethos-u85": "Ethos_U85_SYS_DRAM_Mid",
}
_CONFIG_FILE = "Arm/vela.ini"
_NPU = "NPU"
_KIB = 1024


class Setup(NamedTuple):
    """The chip, the memory mode and the strategy, in Vela's own words."""

    accelerator: str
    memory_mode: str
    optimise: str

    @property
    def system(self) -> str:
        """The system around the chip."""
        return SYSTEMS[self.accelerator.rpartition("-")[0]]


class VelaReport(NamedTuple):
    """What the tables say.

    ``metrics`` are ``ethosu_cycles`` (of the NPU), ``ethosu_sram_bytes``, ``ethosu_dram_bytes``,
    ``ethosu_flash_bytes``, ``ethosu_npu_ops`` and ``ethosu_cpu_ops``. ``cpu_ops`` are (kind, count)
    of what runs on the CPU. ``latency_s`` is None where there is any.
    """

    metrics: Dict[str, float]
    cpu_ops: List[Tuple[str, int]]
    clock_hz: float
    latency_s: Optional[float]


def compile_with_vela(model: Path, setup: Setup, out_dir: Path) -> VelaReport:
    """Compile ``model`` to ``model_vela.tflite`` in ``out_dir``.

    Raises:
        CandidateRejected: If Vela refuses it.
        CandidateAborted: If Vela crashes or gives no answer in time.
    """
    code, printed = run_compiler("vela", _command(model, setup, out_dir), TIMEOUT_S)
    if code < 0:
        raise CandidateAborted("vela crashed with {}.".format(signal.Signals(-code).name))
    if code != 0 or not (out_dir / COMPILED_FILE).is_file():
        raise CandidateRejected(
            "vela must compile the model, but refused it: {}. "
            "Change the model, or leave this engine out.".format(_complaint(printed))
        )
    stem = model.stem
    return read_report(
        out_dir / "{}_summary_{}.csv".format(stem, setup.system),
        out_dir / "{}_per-layer.csv".format(stem),
    )


def read_report(summary_file: Path, layers_file: Path) -> VelaReport:
    """Read Vela's two tables."""
    (summary,) = _rows(summary_file)
    kinds: Dict[str, int] = {}
    npu_ops = 0
    for row in _rows(layers_file):
        if row["Target"] == _NPU:
            npu_ops += 1
        else:
            kind = row["Original Operator"]
            kinds[kind] = kinds.get(kind, 0) + 1
    cycles, clock_hz = float(summary["cycles_total"]), float(summary["core_clock"])
    metrics = {
        "ethosu_cycles": cycles,
        # Sram_Only puts weights behind the SRAM's port, which Vela then calls flash on the chip.
        "ethosu_sram_bytes": _bytes(summary, "sram") + _bytes(summary, "on_chip_flash"),
        "ethosu_dram_bytes": _bytes(summary, "dram"),
        "ethosu_flash_bytes": _bytes(summary, "off_chip_flash"),
        "ethosu_npu_ops": float(npu_ops),
        "ethosu_cpu_ops": float(sum(kinds.values())),
    }
    latency_s = None if kinds else cycles / clock_hz
    return VelaReport(metrics, sorted(kinds.items()), clock_hz, latency_s)


def _command(model: Path, setup: Setup, out_dir: Path) -> List[str]:
    # Vela shares this Python, since its compiled half is built for one.
    command = [sys.executable, "-m", "ethosu.vela", str(model), "--output-dir", str(out_dir)]
    command += ["--accelerator-config", setup.accelerator, "--config", _CONFIG_FILE]
    command += ["--system-config", setup.system, "--memory-mode", setup.memory_mode]
    return [*command, "--optimise", setup.optimise, "--verbose-performance"]


def _rows(table: Path) -> List[Dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _bytes(summary: Dict[str, str], area: str) -> float:
    return float(summary["{}_memory_used".format(area)]) * _KIB


def _complaint(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Warning:", "File "))]
    return told[-1].rstrip(".") if told else "it printed nothing"
