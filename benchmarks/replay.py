"""Is the time spent where it pays? This program against plain Optuna, replayed from a table.

::

    python benchmarks/replay.py [--quick] [--samplers] [--seeds N] [--out FILE]

The table holds real measurements and the real cost of every stage; `record_table.py` made it. A
search runs in virtual time: a stage costs its recorded seconds, asking and telling the CPU seconds
that they take here. Our own loop runs as it is, with a store that remembers what it built; plain
Optuna pays every stage of every trial, and fine-tunes what was pruned without reconstruction. 20
seeds take about half an hour on two cores; ``--quick`` takes three seeds of a shorter search.

With ``--samplers`` our loop runs with each candidate for the default sampler instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import optuna
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.comparison import Outcomes, figures_of
from benchmarks.comparison_report import show_stages, show_times, write_plot
from benchmarks.outcome import Outcome
from benchmarks.replay_parts.methods import METHODS, SAMPLERS, Limits
from benchmarks.replay_parts.pool import pool_of_searches
from benchmarks.replay_parts.table import TABLE_FILE, read_table

FULL = Limits(virtual_s=7200.0, trials=400)
QUICK = Limits(virtual_s=1800.0, trials=100)
SEEDS, QUICK_SEEDS = 20, 3
_PLAIN_WIDTH = 120
"""Columns where the output isn't a terminal."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay every method with every seed, print what came out, and write the figures."""
    options = _parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    limits = QUICK if options.quick else FULL
    seeds = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    names = list(SAMPLERS if options.samplers else METHODS)
    outcomes = replay(names, range(seeds), limits, options.table)
    show_times(console, outcomes, names[0], limits.virtual_s)
    show_stages(console, outcomes)
    if options.out is not None:
        figures = figures_of(outcomes, names[0], limits.virtual_s)
        facts = {"quick": options.quick, "seeds": seeds}
        options.out.write_text(json.dumps({**figures, **facts}, indent=1) + "\n")
        write_plot(options.out.with_suffix(".html"), outcomes, limits.virtual_s)


def replay(names: Sequence[str], seeds: Sequence[int], limits: Limits, table: Path) -> Outcomes:
    """Run each method with each seed, as many at once as there are CPUs."""
    jobs = [(name, seed) for name in names for seed in seeds]
    with pool_of_searches() as pool:
        done = pool.map(partial(_run, limits=limits, table=table), *zip(*jobs, strict=True))
        found = dict(zip(jobs, done, strict=True))
    return {name: [found[name, seed] for seed in seeds] for name in names}


def _run(name: str, seed: int, *, limits: Limits, table: Path) -> Outcome:
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return {**METHODS, **SAMPLERS}[name].run(read_table(table), seed, limits)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the options of every script that replays searches."""
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--quick", action="store_true", help="under two minutes")
    found.add_argument("--seeds", type=int, metavar="N", help=f"{SEEDS} if left out")
    found.add_argument("--table", type=Path, default=TABLE_FILE, metavar="FILE")
    found.add_argument("--out", type=Path, metavar="FILE", help="write the figures as flat JSON")
    return found


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--samplers", action="store_true", help="compare samplers of our own loop")
    return options.parse_args(arguments)


if __name__ == "__main__":
    main()
