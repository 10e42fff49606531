"""Arm Ethos-U, an NPU beside a microcontroller or a small board: Vela compiles for it.

Nothing runs on an Ethos-U from here, so no latency, memory or power of it is measured. Vela's own
estimates are shown as such, and accuracy is measured with the very int8 model that it compiled, on
the CPU of the device. A CPU's latency would say nothing of the NPU's, so there is none.

Vela runs where the search does: a board needs a TFLite runtime for the answers, and nothing else.

``compile`` leaves, beside Vela's tables (see `evaluators.engines.tflite.vela`)::

    model.tflite        the portable int8 model, which runs on any CPU
    model_vela.tflite   what is deployed
    io.json             see `evaluators.engines.tflite.session`
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import List, Mapping, Optional

from evaluators.engines.engine import Compiled, Engine, Figure, Missing, Session
from evaluators.engines.tflite.session import (
    MODEL_FILE,
    TfliteSession,
    compile_as_is,
    load_tflite_runtime,
    missing_runtime,
)
from evaluators.engines.tflite.vela import COMPILED_FILE, Setup, VelaReport, compile_with_vela
from evaluators.failures import CandidateRejected
from evaluators.flag import Flag, FlagValue

VELA = "ethosu.vela"
_BY_VELA = "estimated: vela"
_CHIPS = {
    "ethos-u55": (32, 64, 128, 256),
    "ethos-u65": (256, 512),
    "ethos-u85": (128, 256, 512, 1024, 2048),
}


class EthosUEngine(Engine):
    """Compiles for an Ethos-U; answers come from the same int8 model on the CPU."""

    name = "ethosu"
    forms: Mapping[str, str] = {"int8": "tflite_int8"}
    default_precision = "int8"
    distribution = "ai-edge-litert"
    module = "ai_edge_litert"
    extra = "litert"
    compiles_on_host = True
    figures: Mapping[str, Figure] = {
        "ethosu_cycles": Figure("minimize", _BY_VELA),
        "ethosu_sram_bytes": Figure("minimize", _BY_VELA),
        "ethosu_dram_bytes": Figure("minimize", _BY_VELA),
        "ethosu_flash_bytes": Figure("minimize", _BY_VELA),
        "ethosu_npu_ops": Figure("maximize", _BY_VELA),
        "ethosu_cpu_ops": Figure("minimize", _BY_VELA),
    }
    estimated_by = "vela"
    has_stand_in = False

    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return the chip, where its memories are used for what, and what Vela strives for."""
        chips = tuple("{}-{}".format(name, macs) for name in _CHIPS for macs in _CHIPS[name])
        modes = ("Shared_Sram", "Sram_Only", "Dedicated_Sram")
        return {
            "accelerator": Flag(
                chips, "ethos-u55-128", "the chip, with its MACs per cycle", is_hardware=True
            ),
            "memory_mode": Flag(modes, modes[0], "where weights and feature maps lie"),
            "optimise": Flag(("Performance", "Size"), "Performance", "few cycles, or little SRAM"),
        }

    def missing(self) -> Optional[Missing]:
        """Return what to install where neither name of the TFLite runtime is found."""
        return missing_runtime(self.extra)

    def missing_compiler(self) -> Optional[Missing]:
        """Return what to install where Vela isn't found."""
        if importlib.util.find_spec(VELA.partition(".")[0]) is not None:
            return None
        remedy = "pip install 'edge-inference-search[ethosu]'"
        return Missing("the Python package ethos-u-vela", remedy)

    def toolchain(self, flags: Mapping[str, FlagValue]) -> str:
        """Return Vela's version, or nothing where it isn't found."""
        return "" if self.missing_compiler() else _vela_version()

    def refusal(self, precision: str, flags: Mapping[str, FlagValue]) -> Optional[str]:
        """Refuse every precision but int8, and a memory mode that the chip hasn't."""
        if precision != "int8":
            return "precision on ethosu must be int8, but got {}. Vela takes no other.".format(
                precision
            )
        chip, mode = str(flags["accelerator"]), str(flags["memory_mode"])
        if mode == "Dedicated_Sram" and chip.startswith("ethos-u55"):
            return (
                "memory_mode of {} must be Shared_Sram or Sram_Only, but got {}. "
                "Only Ethos-U65 and U85 have a memory to write to beside their SRAM."
            ).format(chip, mode)
        return None

    def stand_in_reason(self) -> Optional[str]:
        """Say that there is no device to be reached."""
        return "an Ethos-U can't be reached from here, only compiled for"

    def load_runtime(self) -> str:
        """Import the interpreter."""
        return load_tflite_runtime()

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Run Vela, and make sure that the NPU has something to do."""
        portable = compile_as_is(model, out_dir, 1, xnnpack=True)
        setup = Setup(str(flags["accelerator"]), str(flags["memory_mode"]), str(flags["optimise"]))
        report = compile_with_vela(out_dir / MODEL_FILE, setup, out_dir)
        if not report.metrics["ethosu_npu_ops"]:
            raise CandidateRejected(
                "vela must put some op on the Ethos-U, but left all {:.0f} to the CPU ({}). "
                "Check that the model is int8 throughout.".format(
                    report.metrics["ethosu_cpu_ops"], _listed(report)
                )
            )
        notes = portable.notes + _notes(setup, report)
        return Compiled(COMPILED_FILE, report.metrics, notes, report.latency_s)

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Load the portable model, which answers as the artifact does, onto the CPU."""
        return TfliteSession(compiled / MODEL_FILE, 1)


def _notes(setup: Setup, report: VelaReport) -> List[str]:
    notes = [
        "Compiled by Vela {} for {} in Arm's system {}, at {:.0f} MHz.".format(
            _vela_version(), setup.accelerator, setup.system, report.clock_hz / 1e6
        )
    ]
    if report.cpu_ops:
        notes.append(
            "Vela estimates the NPU's ops only, and these run on the CPU: {}.".format(
                _listed(report)
            )
        )
    return notes


def _vela_version() -> str:
    return str(importlib.import_module(VELA).__version__)


def _listed(report: VelaReport) -> str:
    return ", ".join("{} {}".format(count, kind) for kind, count in report.cpu_ops)


ENGINE = EthosUEngine()
