"""How often is a gate wrong? What the gates refused, trained all the same and measured in full.

::

    python benchmarks/gates.py [--quick] [--seeds N] [--out FILE]

Searches run as in `replay.py`, from the same table of real measurements. A gate refuses to train a
model further, because some trial would dominate it even with the best metric to hope for. Here each
refused model is taken through every rung above, at every temperature of the grid: the gate was
wrong if one of them would be on the front of the finished search.
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import optuna
from rich import box
from rich.console import Console
from rich.table import Table as Grid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.replay import FULL, QUICK, QUICK_SEEDS, SEEDS, parser
from benchmarks.replay_parts.grid import options
from benchmarks.replay_parts.methods import Limits, Ours
from benchmarks.replay_parts.pool import pool_of_searches
from benchmarks.replay_parts.table import read_table
from evaluators.candidate import Candidate, Distillation
from search.front import pareto_front
from search.gates import WRONG_AT_MOST
from search.loop import SearchLoop
from search.policy.rungs import rungs
from search.policy.trial_costs import prefix_of
from search.records import NumberedRecord


@dataclass(frozen=True, slots=True)
class Count:
    """What the gates did in one search.

    Attributes:
        trained: Trials with training.
        refused: Measured models that were refused more of it.
        wrong: How many of those would have been on the front.
    """

    trained: int
    refused: int
    wrong: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Search with every seed, check what was refused, and write the figures."""
    wanted = parser(__doc__).parse_args(arguments)
    limits = QUICK if wanted.quick else FULL
    seeds = range(wanted.seeds or (QUICK_SEEDS if wanted.quick else SEEDS))
    with pool_of_searches() as pool:
        counts = list(pool.map(partial(check, limits=limits, table=wanted.table), seeds))
    figures = figures_of(counts)
    shown = Grid("figure", "value", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in figures.items():
        shown.add_row(name, "-" if value is None else f"{value:.4g}")
    Console().print(shown)
    if wanted.out is not None:
        facts = {"quick": wanted.quick, "seeds": len(seeds)}
        wanted.out.write_text(json.dumps({**figures, **facts}, indent=1) + "\n")


def check(seed: int, *, limits: Limits, table: Path) -> Count:
    """Search once, and take what was refused through the rungs above."""
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    loop, _ = Ours().search(read_table(table), seed, limits)
    trained = sum(c.distillation is not None for c in loop.state.candidates.values())
    refused = list(loop.policy.refused)
    return Count(trained, len(refused), sum(_was_wrong(loop, number) for number in refused))


def figures_of(counts: Sequence[Count]) -> dict[str, float | None]:
    """Return totals, and the share of refusals that were wrong beside what the gate states."""
    refused, wrong = (sum(getattr(c, name) for c in counts) for name in ("refused", "wrong"))
    return {
        "trained": sum(count.trained for count in counts),
        "refused": refused,
        "wrong": wrong,
        "wrong_share": wrong / refused if refused else None,
        "stated_at_most": WRONG_AT_MOST,
    }


def _was_wrong(loop: SearchLoop, number: int) -> bool:
    """Say whether the model would be on the front, had nothing else trained it either."""
    state = loop.state
    refused = state.candidates[number]
    others = [t for t in state.trials if not _is_further(state.candidates[t.number], refused)]
    for candidate in _trained_further(loop, refused):
        record = state.judged(state.evaluator.evaluate(candidate, "refused"))
        late = NumberedRecord(len(state.trials), "complete", record)
        if late in pareto_front(replace(state.snapshot(), trials=[*others, late])):
            return True
    return False


def _is_further(candidate: Candidate, refused: Candidate) -> bool:
    return prefix_of(candidate) == prefix_of(refused) and candidate.epochs > refused.epochs


def _trained_further(loop: SearchLoop, candidate: Candidate) -> Iterator[Candidate]:
    settings = loop.state.plan.parameters.distillation
    above = (epochs for epochs in rungs(settings["epochs"]) if epochs > candidate.epochs)
    for epochs, temperature, alpha in itertools.product(
        above, options(settings["temperature"]), options(settings["alpha"])
    ):
        trained = Distillation(epochs, float(temperature), float(alpha))
        yield replace(candidate, distillation=trained)


if __name__ == "__main__":
    main()
