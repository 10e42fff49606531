"""Runs side by side: what they ran on, their baselines, what each would ship, and what both have.

The same model on two devices, or under two versions of a runtime, is best compared candidate by
candidate: a run that searched longer has a better front on the same device.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluators.measurement import Quantity
from reports.cells import cell, number_text, printable, ratio_text, title
from reports.first_screen import candidate_words
from reports.recommendation import interval_of_ratio, recommended
from search.front import hypervolume, pareto_front
from search.records import NumberedRecord, Run, TrialRecord
from spaces.objectives import Objective

NamedRun = tuple[str, Run]
_NONE = "-"


def comparison_table(runs: Sequence[NamedRun]) -> Group:
    """Return runs side by side as a person reads them; ratios are to the first.

    Args:
        runs: At least two, each with the name of its column. The objectives are those of the first.
    """
    best = [trial.record if (trial := recommended(run)) else None for _, run in runs]
    baselines = [run.baseline for _, run in runs]
    parts: list[RenderableType] = [
        _titled("What was run", runs, _facts(runs)),
        _titled("Baselines", runs, _numbers(runs, baselines)),
        _titled("What to ship", runs, [_models(best), *_numbers(runs, best)]),
        _titled("Candidates that were measured in the first and here", runs, _shared(runs)),
        Text(
            "1.08x (0.99x to 1.17x)  ratio to the first run with its 95 % interval; of candidates "
            "the median of their ratios, and from the 10th percentile to the 90th\n"
            "*  stand-in   ~  estimated   !  measured while something disturbed"
        ),
    ]
    notices = dict.fromkeys(text for _, run in runs for text in run.facts.notices)
    return Group(*(Text(f"Note: {printable(text)}", style="yellow") for text in notices), *parts)


def shared_candidates(one: Run, other: Run) -> list[tuple[TrialRecord, TrialRecord]]:
    """Return what was measured of the same parameters in both runs, the last record of each."""
    mine, theirs = by_params(one), by_params(other)
    return [(t.record, theirs[key].record) for key, t in mine.items() if key in theirs]


def by_params(run: Run) -> Mapping[str, NumberedRecord]:
    """Return the measured trials by their parameters, the last one of each."""
    measured = [trial for trial in run.trials if trial.record.failure is None]
    return {json.dumps(trial.record.params, sort_keys=True): trial for trial in measured}


def _titled(name: str, runs: Sequence[NamedRun], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left")
    table.title = Text(f"\n{name}", style="bold")
    table.add_column("")
    for label, _ in runs:
        table.add_column(Text(printable(label)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(text)) for text in row))
    return table


def _facts(runs: Sequence[NamedRun]) -> list[list[str]]:
    rows: dict[str, Callable[[Run], str]] = {
        "device": lambda run: run.facts.device,
        "measured on": lambda run: run.facts.machine,
        "runtimes": _runtimes,
        "finished trials": lambda run: str(len(run.trials)),
        "on the front": lambda run: (
            f"{len(pareto_front(run))}{', confirmed' if run.is_confirmed else ', not confirmed'}"
        ),
        "hypervolume to own baseline": lambda run: (
            _NONE if (volume := hypervolume(run)) is None else number_text(volume)
        ),
    }
    return [[name, *(text_of(run) for _, run in runs)] for name, text_of in rows.items()]


def _runtimes(run: Run) -> str:
    """Return each engine with the version that measured, as far as records say it."""
    found: dict[str, None] = {}
    records = [trial.record for trial in run.trials]
    for record in records if run.baseline is None else [run.baseline, *records]:
        for process in record.facts.get("processes", ()):
            if version := process.get("runtime_version"):
                found[f"{record.engine} {version}"] = None
    return ", ".join(found) or _NONE


def _models(best: Sequence[TrialRecord | None]) -> list[str]:
    words = [_NONE if record is None else candidate_words(record) for record in best]
    return ["model", *words]


def _numbers(runs: Sequence[NamedRun], records: Sequence[TrialRecord | None]) -> list[list[str]]:
    """Return a row for each objective: values, and ratios to the first run's."""
    rows = []
    for objective in runs[0][1].facts.objectives:
        first = _quantity(records[0], objective)
        texts = [
            _NONE if record is None else " ".join(_texts(run, record, objective, first))
            for (_, run), record in zip(runs, records, strict=True)
        ]
        rows.append([_name(objective), *texts])
    return rows


def _texts(
    run: Run, record: TrialRecord, objective: Objective, first: Quantity | None
) -> Iterator[str]:
    yield cell(run, record, objective).marked
    quantity = _quantity(record, objective)
    if quantity is first or quantity is None or first is None:
        return
    if objective == run.facts.metric or not quantity.value or not first.value:
        return
    yield ratio_text(quantity.value / first.value)
    if ends := interval_of_ratio(quantity, first):
        yield f"({ratio_text(ends[0])} to {ratio_text(ends[1])})"


def _shared(runs: Sequence[NamedRun]) -> list[list[str]]:
    first = runs[0][1]
    both = [shared_candidates(first, run) for _, run in runs]
    rows = [["candidates", *(str(len(pairs)) for pairs in both)]]
    for objective in first.facts.objectives:
        of = [_spread(first, objective, pairs) for pairs in both[1:]]
        rows.append([_name(objective), "", *of])
    return rows


def _spread(
    run: Run, objective: Objective, pairs: Sequence[tuple[TrialRecord, TrialRecord]]
) -> str:
    """Return how an objective of the same candidates differs: ratios, differences of a metric."""
    values = [(_quantity(mine, objective), _quantity(theirs, objective)) for mine, theirs in pairs]
    known = [(m.value, t.value) for m, t in values if m and t and m.value and t.value]
    if not known:
        return _NONE
    mine, theirs = np.array(known).T
    is_metric = objective == run.facts.metric
    low, median, high = np.quantile(theirs - mine if is_metric else theirs / mine, (0.1, 0.5, 0.9))
    if is_metric:
        return f"{median:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"{ratio_text(median)} ({ratio_text(low)} to {ratio_text(high)})"


def _name(objective: Objective) -> str:
    return f"{title(objective)}, {objective.unit}" if objective.unit else title(objective)


def _quantity(record: TrialRecord | None, objective: Objective) -> Quantity | None:
    return None if record is None else record.quantities.get(objective.si_name)
