"""Run another tool's command line in this process: pinned, without telemetry, unrounded.

Run as ``python -m benchmarks.fidelity_parts.run_peer CPU,CPU... TOOL OPTION...``.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Pin this process as ours pins itself, and hand over to the tool."""
    cpus, tool, *options = sys.argv[1:]
    os.sched_setaffinity(0, map(int, cpus.split(",")))
    sys.argv = [tool, *options]
    {"benchmark_app": _benchmark_app, "litert-benchmark": _litert_benchmark}[tool]()


def _benchmark_app() -> None:
    """Print every latency in microseconds, which it does of itself below 1 ms only."""
    from evaluators.engines.openvino import import_openvino

    import_openvino()
    from openvino.tools.benchmark import main as tool

    tool.use_console_microseconds = lambda _average_ms: True
    tool.main()


def _litert_benchmark() -> None:
    """Write what was measured into the JSON, not that rounded to 0.01 ms."""
    from ai_edge_litert.tools import benchmark_litert_model as tool

    tool.round = lambda value, _digits: value
    tool.main()


if __name__ == "__main__":
    main()
