"""Does closed-form reconstruction save fine-tuning? Accuracy and CPU time of both.

::

    python benchmarks/reconstruction.py [--quick] [--only WORKLOAD]... [--seeds N] [--out FILE]

Each workload's model is pruned to several sparsities and repaired in several ways; accuracy is that
of the PyTorch model on the validation split, time that of one CPU. With ``--quick`` two levels of
the smallest workload and one seed are tried, which shows that it works and not what it gives.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.reconstruction_parts.methods import (
    Bench,
    Outcome,
    from_next_lower,
    patterned,
    plain,
    reconstructed,
    statistics_only,
)
from benchmarks.reconstruction_parts.workloads import SeparableDigits
from evaluators.benchmark.environment import cpu_model
from evaluators.store import default_root
from spaces.workloads.digits_resnet8 import Digits
from spaces.workloads.digits_resnet20 import HardDigits

WORKLOADS: dict[str, type[Digits]] = {
    "resnet8": Digits,
    "resnet20": HardDigits,
    "separable": SeparableDigits,
}
LEVELS = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8)
PLAIN, WARM = "prune, 8 epochs", "from the next lower level, 1 epoch"
RUNGS = {
    "reconstruction": 0,
    "reconstruction, 1 epoch": 1,
    "reconstruction, 2 epochs": 2,
    "reconstruction, 4 epochs": 4,
}
METHODS: dict[str, Callable[[Bench, Sequence[float]], dict[float, Outcome]]] = {
    PLAIN: partial(plain, epochs=8),
    "prune, 1 epoch": partial(plain, epochs=1),
    "prune, BatchNorm statistics": statistics_only,
    **{name: partial(reconstructed, epochs=epochs) for name, epochs in RUNGS.items()},
    WARM: partial(from_next_lower, epochs=1),
}
PATTERN_LEVELS = (0.0, 0.4, 0.6)
PATTERN_METHODS: dict[str, Callable[[Bench, Sequence[float]], dict[float, Outcome]]] = {
    "reconstruction": METHODS["reconstruction"],
    **{
        f"2:4{', reconstruction' * solved}{after}": partial(
            patterned, epochs=epochs, is_reconstructed=solved
        )
        for epochs, after in ((0, ""), (1, ", 1 epoch"), (2, ", 2 epochs"))
        for solved in (False, True)
    },
}
"""Weights of which two in every four are zero: with the others as they were, or fitted anew."""
WITHIN = 0.01
"""Accuracy that may be missing for a cheaper way to count as good as the plain one."""
Results = dict[str, list[dict[float, Outcome]]]
"""Method -> for each seed, its outcome at every level."""
Figures = dict[str, float | None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the workloads asked for, print a table of each, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="may be repeated")
    parser.add_argument("--seeds", type=int, default=3, help="of distillation; 3 if left out")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as flat JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = options.only or (["resnet8"] if options.quick else list(WORKLOADS))
    levels, seeds = ((0.5, 0.7), 1) if options.quick else (LEVELS, options.seeds)
    console = Console(width=None if sys.stdout.isatty() else 120)
    start_s = time.monotonic()
    figures: Figures = {}
    for name in names:
        results = run(WORKLOADS[name], METHODS, levels, range(seeds))
        show(name, results, console)
        figures |= figures_of(name, results)
        patterns = run(WORKLOADS[name], PATTERN_METHODS, PATTERN_LEVELS, range(seeds))
        show(f"{name}, 2:4", patterns, console)
        figures |= accuracies_of(name, patterns)
    if options.out is not None:
        facts = {"duration_s": time.monotonic() - start_s, "cpu_model": cpu_model()}
        text = json.dumps({**figures, "quick": options.quick, "seeds": seeds, **facts}, indent=1)
        options.out.write_text(text + "\n")


def run(
    workload_class: type[Digits],
    methods: Mapping[str, Callable[[Bench, Sequence[float]], dict[float, Outcome]]],
    levels: Sequence[float],
    seeds: Sequence[int],
) -> Results:
    """Try every method at every level."""
    workload = workload_class()
    workload.cache_dir = default_root() / "teachers"
    results: Results = {name: [] for name in methods}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(workload, seed, Path(folder), epochs=8)
            for name, method in methods.items():
                results[name].append(method(bench, levels))
    return results


def show(workload: str, results: Results, console: Console) -> None:
    """Print accuracies in percent, and the CPU time of one seed's levels."""
    levels = list(next(iter(results.values()))[0])
    table = Table("accuracy in %", *(f"{s:g}" for s in levels), "CPU s", box=box.SIMPLE_HEAD)
    for name in results:
        cells = [_mean_and_error(_accuracies(results, name, s) * 100) for s in levels]
        total = sum(_cpu_s(results, name, level) for level in levels)
        table.add_row(name, *cells, f"{total:.1f}")
    console.print(f"\n{workload}", table)


def figures_of(workload: str, results: Results) -> Figures:
    """Return accuracies, how much cheaper reconstruction is, and what a warm start gives.

    ``cpu_ratio`` is the plain way's CPU time over that of the cheapest rung within one point of it;
    None where no rung is.
    """
    figures = accuracies_of(workload, results)
    for level in results[PLAIN][0]:
        wanted = _accuracies(results, PLAIN, level).mean() - WITHIN
        good = [
            _cpu_s(results, name, level)
            for name in RUNGS
            if _accuracies(results, name, level).mean() >= wanted
        ]
        ratio = _cpu_s(results, PLAIN, level) / min(good) if good else None
        figures[f"{workload}_cpu_ratio_at_{level:g}"] = ratio
    for epochs, name in ((1, "reconstruction, 1 epoch"), (2, "reconstruction, 2 epochs")):
        gain = np.array([_gain(results, level, name) for level in results[PLAIN][0]])
        figures[f"{workload}_warm_start_gain_over_{epochs}_epochs"] = float(gain.mean())
        error = gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else None
        figures[f"{workload}_warm_start_gain_over_{epochs}_epochs_standard_error"] = error
    return figures


def accuracies_of(workload: str, results: Results) -> Figures:
    """Return the mean accuracy of each method at each level."""
    return {
        f"{workload}_{_key(name)}_accuracy_at_{level:g}": float(
            _accuracies(results, name, level).mean()
        )
        for name, outcomes in results.items()
        for level in outcomes[0]
    }


def _key(name: str) -> str:
    return name.replace(":", "_").replace(",", "").replace(" ", "_").lower()


def _gain(results: Results, level: float, name: str) -> np.ndarray:
    """Return by how much a warm start is more accurate, for each seed."""
    gain: np.ndarray = _accuracies(results, WARM, level) - _accuracies(results, name, level)
    return gain


def _accuracies(results: Results, name: str, level: float) -> np.ndarray:
    return np.array([outcomes[level].accuracy for outcomes in results[name]])


def _cpu_s(results: Results, name: str, level: float) -> float:
    return float(np.mean([outcomes[level].cpu_s for outcomes in results[name]]))


def _mean_and_error(values: np.ndarray) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{values.mean():.1f} ±{values.std(ddof=1) / np.sqrt(len(values)):.1f}"


if __name__ == "__main__":
    main()
