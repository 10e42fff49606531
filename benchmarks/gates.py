"""How often is a gate wrong? What the gates refused, trained all the same and measured in full.

::

    python benchmarks/gates.py [--quick] [--seeds N] [--out FILE]

Searches run as in `replay.py`, from the same table of real measurements, but without the rung of no
training: so each pruned model is probed before it is trained. A gate refuses to train one because
some trial would dominate it even with the best metric to expect. Here each refused candidate is
trained as it was to be: the gate was wrong if no trial that was there then dominates it.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import optuna
from rich import box
from rich.console import Console
from rich.table import Table as Grid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script sees only its own folder

from benchmarks.replay import FULL, QUICK, QUICK_SEEDS, SEEDS, parser
from benchmarks.replay_parts.methods import Limits, Ours
from benchmarks.replay_parts.pool import pool_of_searches
from benchmarks.replay_parts.table import read_table
from search.front import pareto_front
from search.gates import WRONG_AT_MOST
from search.records import GATED, NumberedRecord, TrialRecord
from search.state import StudyState

TRAINED_ONLY = ("search.distillation.epochs=[1, 2, 4, 8, 16]",)


@dataclass(frozen=True, slots=True)
class Count:
    """What the gates did in one search.

    Attributes:
        trained: Trials with training.
        saved_s: What training the refused ones would have taken, in virtual seconds.
        refused: Pruned models that were refused it.
        wrong: How many of those would have been on the front.
    """

    trained: int
    saved_s: float
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
    """Search once, and train what was refused."""
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    loop, _ = Ours(overrides=TRAINED_ONLY).search(read_table(table), seed, limits)
    state = loop.state
    refused = [trial for trial in state.trials if _is_refused(trial)]
    tuned = [state.candidates[trial.number].distillation is not None for trial in state.trials]
    trained = [_trained(state, trial) for trial in refused]
    return Count(
        sum(tuned) - len(refused),
        sum(record.stage_seconds.get("distill", 0.0) for record in trained),
        len(refused),
        sum(
            _would_be_on_the_front(state, trial, record)
            for trial, record in zip(refused, trained, strict=True)
        ),
    )


def figures_of(counts: Sequence[Count]) -> dict[str, float | None]:
    """Return totals, and the share of refusals that were wrong beside what the gate states."""
    totals = {name: sum(getattr(c, name) for c in counts) for name in Count.__slots__}
    refused, wrong = totals["refused"], totals["wrong"]
    share = wrong / refused if refused else None
    return {**totals, "wrong_share": share, "stated_at_most": WRONG_AT_MOST}


def _is_refused(trial: NumberedRecord) -> bool:
    failure = trial.record.failure
    return failure is not None and failure.kind == GATED


def _trained(state: StudyState, trial: NumberedRecord) -> TrialRecord:
    """Return what the candidate comes to where nothing refuses it."""
    return state.judged(state.evaluator.evaluate(state.candidates[trial.number], "refused"))


def _would_be_on_the_front(state: StudyState, trial: NumberedRecord, record: TrialRecord) -> bool:
    """Say whether nothing that was known when a trial was refused dominates its record."""
    before = [other for other in state.trials if other.number < trial.number]
    late = NumberedRecord(len(state.trials), "complete", record)
    return late in pareto_front(replace(state.snapshot(), trials=[*before, late]))


if __name__ == "__main__":
    main()
