"""What does the program itself cost per trial, and how does that grow with the study?

::

    python benchmarks/overhead.py [--quick] [--out FILE]

A real run in a folder of its own: SQLite, the program's loop, its log and its live display, on the
space `spaces/cpu.yaml` with its four objectives. Only building and measuring are replaced, by what
answers at once with records as large as real ones. At 100, 1,000, 3,000 and 10,000 trials in the
study a session in a fresh process goes on with the run, and every part of its trials is timed:

tell       constraints, record and values into the storage
progress   the log and what is shown, for every stage: front, hypervolume, table
rest       everything else: snapshots, the time kept back for confirmation
choice     what to try next, by our own policy, beside them
ask        Optuna's sampler, beside them

Overhead is tell, progress and rest, what each trial costs whoever chose it; with the choice it is
all that is this program's own. The whole benchmark takes about ten minutes; with ``--quick`` there
are few trials, at 1,000 and 10,000 alone, and no reports.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.machine import machine_facts
from benchmarks.overhead_parts.session import (
    ASK,
    CHOICE,
    PROGRESS,
    REST,
    TELL,
    Timed,
    fill,
    read,
    search_on,
)

Figures = dict[str, float | int | None]
"""Name with its unit -> value."""

TARGETS = {"overhead_ms_at_1000": "under 50", "parent_uss_mib_at_1000": "under 300"}
_OVERHEAD = (TELL, PROGRESS, REST)
_FIRST_TRIALS = 20
_PLAIN_WIDTH = 120
"""Columns where the output isn't a terminal."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done.

    Attributes:
        sizes: Trials in the study, rising.
        trials: How many are timed at each.
        everything: Also without a display, and what other commands take.
    """

    sizes: Sequence[int]
    trials: int
    everything: bool


FULL = Scale((100, 1_000, 3_000, 10_000), 20, everything=True)
QUICK = Scale((1_000, 10_000), 4, everything=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time trials at every size, print what they took, and write the figures."""
    options = _parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder) / "run", QUICK if options.quick else FULL)
    _show(figures, console)
    if options.out is not None:
        facts = {
            "quick": options.quick,
            "duration_s": time.monotonic() - start_s,
            **machine_facts(),
        }
        options.out.write_text(json.dumps({**figures, **facts}, indent=1) + "\n")


def run(folder: Path, scale: Scale) -> Figures:
    """Let a study grow in a folder, and return the figures of all its sizes."""
    figures: Figures = {}
    _in_fresh_process(search_on, folder, _FIRST_TRIALS, live=False)
    for size in scale.sizes:
        _in_fresh_process(fill, folder, size)
        timed = _in_fresh_process(search_on, folder, scale.trials + 1, live=True)
        figures |= _figures_of(timed, size)
        if scale.everything:
            plain = _in_fresh_process(search_on, folder, scale.trials + 1, live=False)
            figures[f"overhead_plain_ms_at_{size}"] = _median_ms(plain, _OVERHEAD)
            seconds = _in_fresh_process(read, folder)
            figures |= {f"{name}_s_at_{size}": value for name, value in seconds.items()}
    return figures


def _figures_of(timed: Timed, size: int) -> Figures:
    parts = {part: _median_ms(timed, (part,)) for part in (CHOICE, ASK, *_OVERHEAD)}
    return {
        f"overhead_ms_at_{size}": _median_ms(timed, _OVERHEAD),
        f"overhead_cpu_ms_at_{size}": _median_ms(timed, _OVERHEAD, cpu=True),
        **{f"{part}_ms_at_{size}": value for part, value in parts.items()},
        f"overhead_with_choice_ms_at_{size}": _median_ms(timed, (*_OVERHEAD, CHOICE)),
        f"choice_cpu_ms_at_{size}": _median_ms(timed, (CHOICE,), cpu=True),
        f"ask_cpu_ms_at_{size}": _median_ms(timed, (ASK,), cpu=True),
        f"resume_s_at_{size}": timed.resume_s,
        f"parent_uss_mib_at_{size}": timed.uss_bytes / 2**20,
    }


def _median_ms(timed: Timed, parts: Sequence[str], *, cpu: bool = False) -> float:
    """Return milliseconds of a usual trial, on the wall unless ``cpu``."""
    return 1e3 * statistics.median(
        sum(spent.cpu_s if cpu else spent.wall_s for name, spent in trial.items() if name in parts)
        for trial in timed.trials
    )


def _in_fresh_process(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function where nothing ran before, so that memory is that of one session."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as flat JSON")
    return parser.parse_args(arguments)


def _show(figures: Figures, console: Console) -> None:
    """Print a row for each kind of figure and a column for each size."""
    rows: dict[str, dict[str, float | int | None]] = {}
    for name, value in figures.items():
        what, _, size = name.rpartition("_at_")
        rows.setdefault(what, {})[size] = value
    sizes = list(dict.fromkeys(size for row in rows.values() for size in row))
    table = Table("trials in the study", box=box.SIMPLE_HEAD, pad_edge=False)
    for size in sizes:
        table.add_column(f"{int(size):,}", justify="right")
    table.add_column("wanted")
    for what, row in rows.items():
        wanted = [f"{TARGETS[n]} at {s}" for s in sizes if (n := f"{what}_at_{s}") in TARGETS]
        table.add_row(what, *(_text(row.get(size)) for size in sizes), "; ".join(wanted))
    console.print(table)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


if __name__ == "__main__":
    main()
