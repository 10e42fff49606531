"""Are our numbers right? Second opinions, repeats in fresh processes, and memory of a known size.

::

    python benchmarks/fidelity.py [--quick] [--only PART]... [--out FILE]

openvino, litert  the same artifacts with the engine's own tool, in turns with ours
repeat            twice in fresh processes, and beside a busy process
coverage          how often the first measurement's interval holds what is measured later
order             whether one measurement ranks artifacts as several do
memory            100 MiB more of weights; every engine's peak against the kernel's

Nothing else should run meanwhile. All of it takes about 45 minutes; with ``--quick`` nets, repeats
and durations are few and short, which shows that it works and not how good the numbers are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.fidelity_parts.against_peers import litert, openvino
from benchmarks.fidelity_parts.artifacts import Workshop
from benchmarks.fidelity_parts.coverage import coverage
from benchmarks.fidelity_parts.memory import memory
from benchmarks.fidelity_parts.order import order
from benchmarks.fidelity_parts.repeat import repeat
from benchmarks.fidelity_parts.rig import FULL, QUICK, Figures, Rig, Scale
from benchmarks.machine import machine_facts

PARTS: dict[str, Callable[[Rig], Figures]] = {
    "openvino": openvino,
    "litert": litert,
    "repeat": repeat,
    "coverage": coverage,
    "order": order,
    "memory": memory,
}
TARGETS = {
    "openvino_p50_ratio": "0.97 to 1.03",
    "litert_p50_ratio": "0.97 to 1.03",
    "repeat_within_3pct": "0.95 or more",
    "repeat_quiet_pairs_flagged": "0.05 or less",
    "repeat_busy_within_5pct_or_flagged": "1",
    "coverage": "0.90 or more",
    "kendall_tau": "0.9 or more",
    "memory_ratio": "0.95 to 1.05",
    "memory_to_kernel_peak_ratio_min": "0.95 or more",
    "memory_to_kernel_peak_ratio_max": "1.05 or less",
}
_PLAIN_WIDTH = 120
"""Columns where the output isn't a terminal."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts asked for, print what they found, and write the figures."""
    options = _parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    start_s = time.monotonic()
    figures = run(options.only or list(PARTS), QUICK if options.quick else FULL, console)
    _show(figures, console)
    if options.out is not None:
        facts = {
            "quick": options.quick,
            "duration_s": time.monotonic() - start_s,
            **machine_facts(),
        }
        options.out.write_text(json.dumps({**figures, **facts}, indent=1) + "\n")


def run(parts: Sequence[str], scale: Scale, console: Console) -> Figures:
    """Run parts by name, in their own order, and return the figures of all."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder, Workshop(Path(folder)) as workshop:
        rig = Rig(scale, workshop, console)
        for name, part in PARTS.items():
            if name in parts:
                figures |= part(rig)
    return figures


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes, all together")
    parser.add_argument("--only", action="append", choices=PARTS, help="may be given several times")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as flat JSON")
    return parser.parse_args(arguments)


def _show(figures: Figures, console: Console) -> None:
    table = Table("figure", "value", "wanted", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in figures.items():
        table.add_row(name, "-" if value is None else f"{value:.4g}", TARGETS.get(name, ""))
    console.print(table)


if __name__ == "__main__":
    main()
