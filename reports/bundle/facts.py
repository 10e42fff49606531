"""What a bundle.json says: how the model runs, what was measured, with what, and on what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evaluators.bundle.folder import FORMAT_VERSION
from evaluators.engines import load_engine
from evaluators.measurement import Quantity
from evaluators.recipe import tool_versions
from reports.bundle.exported import ExportedTrial
from reports.bundle.tolerance import reason, share_of_range, tolerance
from reports.cells import (
    epochs_text,
    precision_text,
    printable,
    shown_interval,
    shown_objectives,
    sparsity_text,
)
from spaces.objectives import Objective

PROGRAM = "edge-inference-search"
ALWAYS_JUDGED = ("latency_p50_ms", "latency_p90_ms", "peak_memory_mib")
JUDGED_IF_ASKED = ("latency_p99_ms", "throughput_per_s")
"""Measured again where they were objectives or had a bound: others may rest on few queries."""
_OLD_TFLITE = "tflite_runtime"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The package that brings an engine's runtime, in the version that was measured."""

    distribution: str
    version: str


def runtime_of(engine: str, said: str) -> Runtime:
    """Return the package of a runtime that calls itself e.g. ``ai_edge_litert 2.3.0``."""
    distribution = load_engine(engine).distribution_of(said)
    if said.startswith(_OLD_TFLITE):
        distribution = _OLD_TFLITE.replace("_", "-")
    number = re.search(r"\d+(?:\.\d+)+", said)
    version = number[0] if number else ""
    installed = tool_versions(distribution)[distribution]
    return Runtime(distribution, installed if installed.startswith(version) else version)


def title(exported: ExportedTrial) -> str:
    """Return what the bundle is, in one line."""
    record = exported.record
    words = [
        f"{record.engine} {precision_text(record)}",
        f"sparsity {sparsity_text(record)}",
        f"epochs {epochs_text(record)}",
    ]
    return printable(
        f"{exported.run.facts.name}, trial {exported.trial.number}: {', '.join(words)}"
    )


def bundle_facts(exported: ExportedTrial) -> dict[str, Any]:
    """Return everything but the sums, ready for JSON."""
    run, record, candidate = exported.run, exported.record, exported.built.candidate
    runtime = runtime_of(record.engine, exported.runtime_version)
    environment = exported.processes[-1]["environment"]
    return {
        "format_version": FORMAT_VERSION,
        "title": title(exported),
        "run": run.facts.name,
        "trial": exported.trial.number,
        "engine": candidate.engine,
        "precision": candidate.precision,
        "flags": dict(candidate.flags),
        "power_mode": candidate.power_mode,
        "batch_size": exported.batch_size,
        "artifact": exported.built.artifact.name,
        "artifact_sha256": exported.built.artifact_sha256,
        "params": record.params,
        "runtime": {
            "distribution": runtime.distribution,
            "version": runtime.version,
            "says": exported.runtime_version,
        },
        "versions": {
            **tool_versions(PROGRAM),
            "python": environment["python"],
            "numpy": environment["numpy"],
        },
        "device": {
            "name": run.facts.device,
            "machine": run.facts.machine,
            "environment": environment,
            "cpus": exported.processes[-1]["cpus"],
        },
        "notices": list(run.facts.notices),
        "inputs": _inputs(exported),
        "outputs": _outputs(exported),
        "numbers": numbers(exported),
        "judged": judged(exported),
        "processes": len(exported.processes),
        "confirmed": record.is_confirmed,
        "disturbances": record.flags,
        "constraints": list(run.facts.constraints),
        "violations": record.violations,
        "timing": dict(exported.timing),
        "check": _check(exported),
        "workload": exported.workload,
        "metric": {"name": run.facts.metric.name, "direction": run.facts.metric.direction},
        "reference_metric": run.facts.reference_metric,
        "engine_metrics": _told(exported),
        "compiler_notes": record.notes,
    }


def numbers(exported: ExportedTrial) -> dict[str, dict[str, Any]]:
    """Return every number by the name and in the unit people see, with what makes it worth having.

    Example:
        ``{"latency_p90_ms": {"value": 0.12, "unit": "ms", "interval": [0.112, 0.129], "n": 800,
        "at_most": 0.13, "method": "p90, single_stream", "provenance": "measured",
        "si_name": "latency_p90_s", "per_si": 1000.0}}``
    """
    quantities = exported.record.quantities
    shown = shown_objectives(exported.run, quantities)
    return {
        objective.name: _number(objective, quantities[name]) for name, objective in shown.items()
    }


def judged(exported: ExportedTrial) -> list[str]:
    """Return the numbers that are measured again wherever the bundle is verified."""
    facts, found = exported.run.facts, numbers(exported)
    asked = {objective.name for objective in (*facts.objectives, *facts.bounded)}
    names = [*ALWAYS_JUDGED, *(name for name in JUDGED_IF_ASKED if name in asked)]
    return [
        name
        for name in names
        if name in found
        and found[name]["provenance"].startswith("measured")
        and found[name]["interval"] is not None
    ]


def _told(exported: ExportedTrial) -> dict[str, float | None]:
    """Return what the compiler told of the file, without what is only estimated of it."""
    record = exported.record
    return {
        objective.name: record.shown(objective)
        for objective in exported.run.facts.figures
        if (found := record.quantities.get(objective.si_name)) and found.is_measured
    }


def _number(objective: Objective, quantity: Quantity) -> dict[str, Any]:
    def shown(value: float | None) -> float | None:
        return None if value is None else objective.shown_from_si(value)

    return {
        "value": shown(quantity.value),
        "unit": objective.unit,
        "interval": shown_interval(quantity, objective),
        "at_most": shown(quantity.at_most),
        "n": quantity.n,
        "method": quantity.method,
        "provenance": quantity.provenance,
        "si_name": objective.si_name,
        "per_si": objective.factor,
    }


def _inputs(exported: ExportedTrial) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": [exported.batch_size, *array.shape[1:]],
            "dtype": str(array.dtype),
            "least": array.min().item(),
            "most": array.max().item(),
        }
        for name, array in exported.inputs.items()
    ]


def _outputs(exported: ExportedTrial) -> list[dict[str, Any]]:
    precision = exported.built.candidate.precision
    return [
        {
            "name": f"output_{position}",
            "shape": [exported.batch_size, *array.shape[1:]],
            "dtype": str(array.dtype),
            "tolerance": tolerance(array, precision),
        }
        for position, array in enumerate(exported.outputs)
    ]


def _check(exported: ExportedTrial) -> Mapping[str, Any]:
    precision = exported.built.candidate.precision
    return {
        "samples": len(exported.outputs[0]),
        "split": "validation, from its beginning",
        "equal_bits_in_two_processes": exported.is_repeatable,
        "tolerance_share_of_range": share_of_range(precision),
        "why": reason(precision),
    }
