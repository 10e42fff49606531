"""The sections of the report as HTML; all text that a person or a tool brought along is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from reports.cells import (
    Cell,
    cell,
    epochs_text,
    other_params,
    precision_text,
    ratio_text,
    shown_axes,
    sparsity_text,
    title,
)
from reports.durations import StageTime, duration_text, stage_times
from reports.footnotes import footnotes, metric_footnote
from reports.markup import copy_button, escaped, export_words, scrollable
from reports.outcomes import FRONT, INFEASIBLE, FailureGroup, outcomes, what_failed
from search.front import pareto_front
from search.records import Run, TrialRecord
from spaces.objectives import Objective


def search_facts(run: Run) -> str:
    """Return what was searched for, and what became of the trials."""
    facts = run.facts
    counts = Counter(outcomes(run).values())
    words = {FRONT: "on the front"}
    came = ", ".join(f"{count} {words.get(what, what)}" for what, count in counts.most_common())
    rows = {
        "Objectives": ", ".join(objective.name for objective in facts.objectives),
        "Constraints": "; ".join(facts.constraints) or "none",
        "Trials": f"{len(run.trials)} finished{': ' if came else ''}{came}",
        "Space file": f"{facts.space_file}, seed {facts.seed}",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escaped(text)}</dd>" for name, text in rows.items())
    return f"<section><h2>The search</h2><dl>{listed}</dl></section>"


def front(run: Run, folder: Path) -> str:
    """Return the table of the baseline and the front, each member with its export command."""
    members = pareto_front(run)
    rows = [("baseline", run.baseline)] if run.baseline else []
    rows += [(str(member.number), member.record) for member in members]
    axes = shown_axes(run, [record for _, record in rows])
    cells = [cell(run, record, o) for _, record in rows for o in axes]
    table = _front_table(run, rows, axes, folder) if rows else ""
    notes = footnotes(run, cells, is_empty=not members)
    below = "".join(f'<p class="faint">{escaped(note)}</p>' for note in notes)
    return f"<section><h2>The front</h2>{table}{below}</section>"


def without_numbers(run: Run) -> str:
    """Return why trials aren't candidates: constraints they break, and failures by reason."""
    rows = [
        _row(str(len(group.numbers)), group.kind, group.stage, _example(group))
        for group in what_failed(run)
    ]
    if not rows:
        return "<section><h2>What didn't work</h2><p>Nothing failed.</p></section>"
    table = f"""<table>
<thead><tr><th class="number">trials</th><th>outcome</th><th>stage</th><th>reason</th></tr></thead>
<tbody>{"".join(rows)}</tbody></table>"""
    return f"<section><h2>What didn't work</h2>{scrollable('Outcomes', table)}</section>"


def time_spent(run: Run) -> str:
    """Return where the time went, stage by stage, with bars that need no script."""
    times = stage_times(run)
    total = sum(stage.seconds for stage in times)
    rows = "".join(_time_row(stage, total) for stage in times)
    table = f"""<table>
<thead><tr><th>stage</th><th class="number">time</th><th class="number">runs</th>
<th class="number">from the store</th><th>share</th></tr></thead><tbody>{rows}</tbody></table>"""
    return f"""<section><h2>Where the time went</h2><p>{duration_text(total)} in trials and the
baseline; the canary and confirmation come on top.</p>
{scrollable("Time by stage", table)}</section>"""


def marks(run: Run) -> str:
    """Return how every number is marked, whether or not the mark occurs here."""
    reference = metric_footnote(run)
    rows = {
        "0.182": "measured on the device named above",
        "0.182*": "measured on a stand-in: another machine did the work, and the legend says which",
        "1.31~": "estimated, by what the legend says; never a measurement",
        "-": "unavailable: there is no number, and it is never taken for 0",
        "0.36x": "a ratio to the baseline: the unpruned model at its highest precision on the "
        "first engine",
        "0.182!": "measured while other work, throttling or drift disturbed",
        "0.180 to 0.185": "a 95 % interval: of a latency, memory or power, where another fresh "
        "process would see it; of the metric, over the samples",
        "moved 1.02x": "the confirmed value over the one that the search saw",
    }
    if reference:
        rows["-0.010"] = reference
    listed = "".join(f"<dt>{mark}</dt><dd>{escaped(text)}</dd>" for mark, text in rows.items())
    return f"<section><h2>How a number is marked</h2><dl>{listed}</dl></section>"


def _front_table(
    run: Run,
    rows: Sequence[tuple[str, TrialRecord]],
    axes: Sequence[Objective],
    folder: Path,
) -> str:
    header = "".join(
        f'<th class="number">{escaped(title(o))}<small>{escaped(o.unit)}</small></th>' for o in axes
    )
    lines = "".join(_front_row(run, label, record, axes, folder) for label, record in rows)
    table = f"""<table>
<thead><tr><th class="number">trial</th><th>engine</th>{header}<th class="number">sparsity</th>
<th class="number">epochs</th><th>other parameters</th><th>export</th></tr></thead>
<tbody>{lines}</tbody></table>"""
    return scrollable("The baseline and the front", table)


def _front_row(
    run: Run, label: str, record: TrialRecord, axes: Sequence[Objective], folder: Path
) -> str:
    numbers = "".join(_number(cell(run, record, o), _moved(run, record, o)) for o in axes)
    others = ", ".join(f"{name} {value}" for name, value in other_params(record).items())
    is_baseline = label == "baseline"
    kind = ' class="baseline"' if is_baseline else ""
    button = "" if is_baseline else copy_button(export_words(run, folder, label), label)
    return (
        f'<tr{kind}><td class="number">{label}</td>'
        f"<td>{escaped(record.engine)}<small>{escaped(precision_text(record))}</small></td>"
        f'{numbers}<td class="number">{sparsity_text(record)}</td>'
        f'<td class="number">{escaped(epochs_text(record))}</td>'
        f'<td class="params"><small>{escaped(others)}</small></td><td>{button}</td></tr>'
    )


def _moved(run: Run, record: TrialRecord, objective: Objective) -> str:
    """Return how far confirmation moved a number, or nothing; answers don't move."""
    ratio = record.moved(objective) if objective in run.facts.objectives else None
    text = "" if ratio is None or not objective.resolution else ratio_text(ratio)
    return f"moved {text}" if text not in ("", ratio_text(1.0)) else ""


def _number(found: Cell, moved: str) -> str:
    below = [text for text in (found.comparison, found.interval, moved) if text]
    small = "".join(f"<small>{escaped(text)}</small>" for text in below)
    how = escaped(found.provenance)
    return f'<td class="number" title="{how}">{escaped(found.marked)}{small}</td>'


def _example(group: FailureGroup) -> str:
    """Return the reason; of a failure with one of its trials, to look it up by."""
    is_failure = group.kind != INFEASIBLE
    return f"trial {group.numbers[0]}: {group.reason}" if is_failure else group.reason


def _row(count: str, outcome: str, stage: str, reason: str) -> str:
    return (
        f'<tr><td class="number">{count}</td><td>{escaped(outcome)}</td>'
        f'<td>{escaped(stage)}</td><td class="reason">{escaped(reason)}</td></tr>'
    )


def _time_row(stage: StageTime, total_s: float) -> str:
    percent = 100 * stage.seconds / total_s if total_s else 0.0
    return (
        f'<tr><td>{escaped(stage.name)}</td><td class="number">{duration_text(stage.seconds)}</td>'
        f'<td class="number">{stage.count}</td><td class="number">{stage.found or ""}</td>'
        f'<td class="bar"><div style="width:{percent:.1f}%"></div></td></tr>'
    )
