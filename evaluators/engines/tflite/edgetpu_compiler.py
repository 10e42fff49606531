"""Google's ``edgetpu_compiler``: run it, and read what it prints.

It is a closed program for x86-64 from Google's own Debian repository. It may fail on a model that
it compiles on the next try, it may hang, and it forks, so a hang is ended with its whole group.

What it prints, shortened::

    Edge TPU Compiler version 16.0.384591198
    Model compiled successfully in 1354 ms.
    On-chip memory used for caching model parameters: 6.03MiB
    On-chip memory remaining for caching model parameters: 1.21MiB
    Off-chip memory used for streaming uncached model parameters: 0.00B
    Number of Edge TPU subgraphs: 1
    Total number of operations: 143
    Number of operations that will run on CPU: 4

    Operator                       Count      Status

    CONV_2D                        83         Mapped to Edge TPU
    DEQUANTIZE                     2          Operation is working on an unsupported data type
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from evaluators.engines.tflite.compiler_process import run_compiler
from evaluators.failures import CandidateRejected

COMPILED_FILE = "model_edgetpu.tflite"
ATTEMPTS = 3
# Its own limit, then ours: it has been seen to outlast the former.
TIMEOUT_S = 180
GRACE_S = 30

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZES = {
    "edgetpu_onchip_bytes": "On-chip memory used for caching model parameters",
    "edgetpu_onchip_free_bytes": "On-chip memory remaining for caching model parameters",
    "edgetpu_offchip_bytes": "Off-chip memory used for streaming uncached model parameters",
}
_MAPPED_STATUS = "Mapped to Edge TPU"


class CompilerReport(NamedTuple):
    """What a log says.

    ``metrics`` has only the figures that the log holds: ``edgetpu_subgraphs``,
    ``edgetpu_mapped_ops``, ``edgetpu_cpu_ops``, ``edgetpu_onchip_bytes``,
    ``edgetpu_onchip_free_bytes`` and ``edgetpu_offchip_bytes``, as exact as it prints them: to
    three digits. ``unmapped`` are (kind, count, status) of what runs on the CPU.
    """

    version: str
    metrics: Dict[str, float]
    unmapped: List[Tuple[str, int, str]]


def find_compiler() -> Optional[str]:
    """Return the path of ``edgetpu_compiler``, or None where it isn't on PATH."""
    return shutil.which("edgetpu_compiler")


def compile_for_edgetpu(compiler: str, model: Path, out_dir: Path) -> CompilerReport:
    """Compile ``model`` to ``model_edgetpu.tflite`` in ``out_dir``.

    Raises:
        CandidateRejected: If it fails ``ATTEMPTS`` times.
        CandidateAborted: If it gives no answer in time.
    """
    log = ""
    for _ in range(ATTEMPTS):
        is_done, log = _run(compiler, model, out_dir)
        if is_done and (out_dir / COMPILED_FILE).is_file():
            return parse_log(log)
    raise CandidateRejected(
        "edgetpu_compiler must compile the model, but failed {} times: {}. Its rules were checked "
        "before, so try a smaller model or another input size.".format(ATTEMPTS, _complaint(log))
    )


def parse_log(log: str) -> CompilerReport:
    """Read what the compiler printed with ``--show_operations``."""
    version = re.search(r"Edge TPU Compiler version (\S+)", log)
    table = [
        (match.group(1), int(match.group(2)), match.group(3))
        for match in re.finditer(r"^([A-Za-z][\w-]*) +(\d+) +(\S.*?)\s*$", log, re.MULTILINE)
    ]
    unmapped = [row for row in table if row[2] != _MAPPED_STATUS]
    metrics = _sizes(log)
    subgraphs = re.search(r"Number of Edge TPU subgraphs: (\d+)", log)
    if subgraphs:
        metrics["edgetpu_subgraphs"] = float(subgraphs.group(1))
    metrics["edgetpu_mapped_ops"] = float(sum(r[1] for r in table if r[2] == _MAPPED_STATUS))
    metrics["edgetpu_cpu_ops"] = float(sum(count for _, count, _ in unmapped))
    return CompilerReport(version.group(1) if version else "unknown", metrics, unmapped)


def _sizes(log: str) -> Dict[str, float]:
    found = {}
    for name, phrase in _SIZES.items():
        match = re.search(re.escape(phrase) + r": ([\d.]+)([KMG]?i?B)", log)
        if match:
            found[name] = float(match.group(1)) * _UNITS[match.group(2)]
    return found


def _run(compiler: str, model: Path, out_dir: Path) -> Tuple[bool, str]:
    command = [compiler, "--show_operations", "--timeout_sec", str(TIMEOUT_S)]
    command += ["--out_dir", str(out_dir), str(model)]
    code, printed = run_compiler("edgetpu_compiler", command, TIMEOUT_S + GRACE_S)
    return code == 0, printed


def _complaint(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Edge TPU Compiler", "Started a"))]
    return " ".join(told[-3:]).rstrip(".!") or "it printed nothing"
