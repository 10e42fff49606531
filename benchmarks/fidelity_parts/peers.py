"""The other tools' opinion of an artifact, each in a fresh process on the CPUs that ours had.

Both round what they report to 0.01 ms, which is 1 % of a millisecond and a fifth of 50 us. So they
run by `run_peer`, which calls their own ``main`` with that rounding off and nothing else changed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fidelity_parts.artifacts import child_environment
from benchmarks.fidelity_parts.measure import DEVICE, Artifact

_TIMEOUT_S = 120.0


class PeerFailed(RuntimeError):
    """Another tool didn't end with a figure."""


def benchmark_app_p50_s(artifact: Artifact, cpus: Sequence[int], runs: int) -> float:
    """Return the median of OpenVINO's ``benchmark_app``, which times inside the runtime.

    It gets the portable model, because its check of the command line refuses every compiled one
    in 2026.4, and compiles it with the properties that ours was compiled with. ``-hint none``
    leaves the hint at the plugin's default, which is latency, as ours; with a hint the tool takes
    neither threads nor streams. ``-ip f32`` keeps it from feeding images as u8.
    """
    name = "model.xml" if artifact.precision == "int8" else "model.onnx"
    options = {
        "-m": artifact.model / name,
        "-d": "CPU",
        "-api": "sync",
        "-hint": "none",
        "-nthreads": artifact.flags["threads"],
        "-nstreams": artifact.flags["streams"],
        "-infer_precision": "f32",
        "-ip": "f32",
        "-niter": runs,
    }
    printed = _run("benchmark_app", cpus, [str(each) for pair in options.items() for each in pair])
    found = re.search(r"Median:\s+([\d.]+) us", printed)
    if found is None:
        raise PeerFailed(f"benchmark_app must print a median, but printed:\n{printed[-2000:]}")
    return float(found[1]) * 1e-6


def litert_benchmark_p50_s(artifact: Artifact, cpus: Sequence[int], runs: int) -> float:
    """Return the median of ``litert-benchmark``, which times LiteRT's CompiledModel from Python.

    Beside the runs it gets a quarter as many to warm up. XNNPACK is on, as it is with ours.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        options = [
            f"--model={artifact.folder / artifact.file}",
            f"--num_threads={artifact.flags['threads']}",
            f"--warmup_runs={runs // 4}",
            f"--num_runs={runs}",
            f"--result_json={report}",
        ]
        printed = _run("litert-benchmark", cpus, options)
        if not report.exists():
            raise PeerFailed(f"litert-benchmark must write JSON, but printed:\n{printed[-2000:]}")
        return float(json.loads(report.read_text())["latency"]["median_ms"]) * 1e-3


def _run(tool: str, cpus: Sequence[int], options: Sequence[str]) -> str:
    pinned = ",".join(map(str, cpus))
    with DEVICE.quiet():
        done = subprocess.run(  # noqa: S603  our own module
            [sys.executable, "-m", "benchmarks.fidelity_parts.run_peer", pinned, tool, *options],
            env={**os.environ, **child_environment()},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        words = done.stderr[-2000:]
        raise PeerFailed(f"{tool} must end with 0, but ended with {done.returncode}:\n{words}")
    return done.stdout
