"""The front and the trials as a table for a terminal, and as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from reports.ceiling import ceiling_json
from reports.cells import (
    Cell,
    cell,
    epochs_text,
    precision_text,
    printable,
    shown_axes,
    shown_interval,
    sparsity_text,
    title,
)
from reports.footnotes import footnotes
from reports.outcomes import FRONT, outcomes, why_not
from reports.rows import Row, column_names, flat, front_rows, trial_rows
from search.front import pareto_front, ties
from search.records import NumberedRecord, Run, TrialRecord
from spaces.objectives import Objective

FRONT_SCHEMA_VERSION = 1
_BASELINE = "baseline"
_ANY_WIDTH = 10_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def front_table(run: Run, *, show_all: bool, most: int | None = None) -> Group:
    """Return the front as a person reads it, with notices above it and a legend below.

    Args:
        run: As it stands; neither a baseline nor a trial is needed.
        show_all: Add every other finished trial with why it isn't on the front.
        most: How many members have a row, the best in the first objective; None for all.
    """
    front = pareto_front(run)
    rows = {_BASELINE: run.baseline} if run.baseline else {}
    rows |= {str(trial.number): trial.record for trial in front[:most]}
    axes = shown_axes(run, rows.values())
    cells = [[cell(run, record, o) for o in axes] for record in rows.values()]
    notes = footnotes(run, [c for row in cells for c in row], is_empty=not front)
    parts: list[RenderableType] = [_notice(text) for text in run.facts.notices]
    parts.append(Text(headline(run), style="bold"))
    if rows:
        needed = len(run.facts.objectives)
        table = _FrontRows(axes, needed, list(rows), list(rows.values()), cells)
        parts += ["", table, *_left_out(len(front), most), ""]
    parts += [Text(printable(text)) for text in notes]
    if show_all and len(run.trials) > len(front):
        parts += ["", _others_table(run)]
    return Group(*parts)


def front_json(run: Run, *, show_all: bool = False) -> dict[str, Any]:
    """Return the front as plain data.

    Example:
        One member of ``points``: ``{"trial": 7, "engine": "openvino", "params": {"engine":
        "openvino", "precision": "int8"}, "values": {"latency_p90_ms": 0.18}, "intervals":
        {"latency_p90_ms": [0.17, 0.19]}, "provenance": {"latency_p90_ms": "measured"},
        "confirmed": True, "artifact_sha256": "9f2b..."}``, and after these ``rounds``, ``moved``
        (confirmed value over the search's), ``metric_drop`` and ``test`` (value with its
        interval), ``tied_with`` and ``flags``. Values are in the unit of their name.
        ``ceiling`` holds `reports.ceiling.ceiling_json`.

    Args:
        run: As it stands; ``baseline`` is None where it has no numbers.
        show_all: Add ``others``: every finished trial that isn't on the front.
    """
    facts, baseline, tied = run.facts, run.usable_baseline, ties(run)
    data: dict[str, Any] = {
        "schema_version": FRONT_SCHEMA_VERSION,
        "run": facts.name,
        "device": facts.device,
        "machine": facts.machine,
        "notices": list(facts.notices),
        "objectives": [objective.name for objective in facts.objectives],
        "directions": {objective.name: objective.direction for objective in facts.objectives},
        "baseline": None if baseline is None else _measured(run, baseline),
        "points": [
            {
                "trial": trial.number,
                **_measured(run, trial.record),
                "tied_with": list(tied.get(trial.number, ())),
            }
            for trial in pareto_front(run)
        ],
        "ceiling": ceiling_json(run),
    }
    if show_all:
        found = outcomes(run)
        others = (trial for trial in run.trials if found[trial.number] != FRONT)
        data["others"] = [_other(run, trial, found[trial.number]) for trial in others]
    return data


def front_csv(run: Run, *, show_all: bool = False) -> str:
    """Return the front as CSV, best in the first objective first; with all, by trial number."""
    return _csv(front_rows(run, show_all=show_all))


def trials_csv(run: Run) -> str:
    """Return everything that is known of every finished trial as CSV."""
    return _csv(trial_rows(run))


def headline(run: Run) -> str:
    """Return what was found and on what, in one line."""
    facts = run.facts
    where = f"{facts.device}, on {facts.machine}"
    counts = f"{len(pareto_front(run))} on the front of {len(run.trials)} finished trials"
    return printable(f"{facts.name}: {counts}; {where}")


def _left_out(count: int, most: int | None) -> list[RenderableType]:
    """Say how many members have no row."""
    return [] if most is None or count <= most else [f"and {count - most} more on the front"]


def _notice(text: str) -> Text:
    return Text(f"Note: {printable(text)}", style="yellow")


@dataclass(frozen=True, slots=True)
class _FrontRows:
    """The baseline and the front, one line each where the terminal is wide enough, else two.

    Where even two lines are too wide, the columns after the first ``n_needed`` are left out.
    """

    axes: Sequence[Objective]
    n_needed: int
    labels: Sequence[str]
    records: Sequence[TrialRecord]
    cells: Sequence[Sequence[Cell]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for between_words in (" ", "\n"):
            table = self._table(between_words, len(self.axes))
            unbound = options.update(max_width=_ANY_WIDTH)
            if console.measure(table, options=unbound).maximum <= options.max_width:
                yield table
                return
        yield self._table("\n", self.n_needed)

    def _table(self, between_words: str, count: int) -> Table:
        table = _table("trial", "engine", "sparsity", "epochs")
        for objective in self.axes[:count]:
            words = title(objective).replace(" ", between_words)
            header = Text(f"{words}\n{objective.unit}".strip())
            table.add_column(header, justify="right", overflow="fold")
        for label, record, cells in zip(self.labels, self.records, self.cells, strict=True):
            texts = (f"{c.marked}{between_words}{c.comparison}".strip() for c in cells[:count])
            numbers = [Text(text) for text in texts]
            ends = label == _BASELINE
            table.add_row(label, *_candidate(record, between_words), *numbers, end_section=ends)
        return table


def _others_table(run: Run) -> Table:
    table = _table("trial", "engine", "sparsity", "epochs")
    table.add_column("why it isn't on the front", overflow="fold")
    found = outcomes(run)
    for trial in run.trials:
        if found[trial.number] != FRONT:
            why = Text(why_not(run, trial, found[trial.number]))
            table.add_row(str(trial.number), *_candidate(trial.record, " "), why)
    return table


def _table(*names: str) -> Table:
    """Return a table whose first columns never wrap: what narrows is what follows them."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name == "engine" else "right", no_wrap=True)
    return table


def _candidate(record: TrialRecord, between_words: str) -> tuple[Text, Text, Text]:
    """Return engine with precision, sparsity and epochs."""
    engine = between_words.join(filter(None, (printable(record.engine), precision_text(record))))
    return Text(engine), Text(sparsity_text(record)), Text(epochs_text(record))


def _measured(run: Run, record: TrialRecord) -> dict[str, Any]:
    objectives = run.facts.objectives
    kept = {o: q for o in objectives if (q := record.quantities.get(o.si_name))}
    return {
        "engine": record.engine,
        "params": dict(record.params),
        "values": {o.name: record.shown(o) for o in kept},
        "intervals": {o.name: shown_interval(q, o) for o, q in kept.items()},
        "provenance": {o.name: q.provenance for o, q in kept.items()},
        "confirmed": record.is_confirmed,
        "artifact_sha256": record.artifact_sha256,
        "rounds": record.confirmation.rounds if record.confirmation else None,
        "moved": {o.name: record.moved(o) for o in kept},
        "metric_drop": _with_interval(record, f"{run.facts.metric.si_name}_drop"),
        "test": _with_interval(record, f"test_{run.facts.metric.si_name}"),
        "flags": list(record.flags),
    }


def _with_interval(record: TrialRecord, si_name: str) -> dict[str, Any] | None:
    """Return a share with its interval, or None where it wasn't measured."""
    quantity = record.quantities.get(si_name)
    if quantity is None or quantity.value is None:
        return None
    return {
        "value": quantity.value,
        "interval": [quantity.low, quantity.high],
        "provenance": quantity.provenance,
    }


def _other(run: Run, trial: NumberedRecord, outcome: str) -> dict[str, Any]:
    failure = trial.record.failure
    return {
        "trial": trial.number,
        "state": trial.state,
        "outcome": outcome,
        **_measured(run, trial.record),
        "violations": dict(trial.record.violations),
        "failure": None
        if failure is None
        else {"kind": failure.kind, "stage": failure.stage, "reason": failure.reason},
    }


def _csv(rows: Sequence[Row]) -> str:
    names = column_names(rows) or ["trial"]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_safe(name) for name in names])
    for row in rows:
        values = flat(row)
        writer.writerow([_safe(values.get(name)) for name in names])
    return written.getvalue()


def _safe(value: object) -> object:
    """Keep text that a workload or a space file brought along from running in a spreadsheet.

    Line breaks go too: the csv module doesn't quote a lone carriage return.
    """
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.startswith(_FORMULA_STARTS) else printable(value)
