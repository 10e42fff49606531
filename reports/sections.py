"""The sections of the report as HTML; all text that a person or a tool brought along is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from reports.cells import (
    MARK_WORDS,
    Cell,
    cell,
    epochs_text,
    other_params,
    precision_text,
    printable,
    ratio_text,
    ratio_to_baseline,
    shown_axes,
    sparsity_text,
    title,
)
from reports.durations import StageTime, duration_text, stage_times
from reports.footnotes import emptiness, footnotes, metric_footnote, missing_baseline
from reports.outcomes import FRONT, broken_constraints, failures_by_reason, outcomes
from search.front import pareto_front
from search.records import Run, TrialRecord
from spaces.objectives import Objective

PLOT_NOTE = (
    "The front is that of all objectives together, so a member may look dominated in one plot. "
    "Circles were measured on the device named, diamonds on a stand-in; a hollow marker involves "
    "an estimate. Bars are 95 % intervals. A dashed line is a constraint, and no model may lie on "
    "the shaded side of it. Point at a marker for its parameters."
)
HYPERVOLUME_NOTE = (
    "The volume that the trials so far dominate, seen from the baseline: costs as log ratios to "
    "it, the metric on its own scale. It grows when the front does."
)


def heading(run: Run) -> str:
    """Return the run's name, and what its numbers were measured on."""
    facts = run.facts
    where = f"<dt>Device</dt><dd>{escaped(facts.device)}</dd>"
    where += f"<dt>Measured on</dt><dd>{escaped(facts.machine)}</dd>"
    return f"<header><h1>{escaped(facts.name)}</h1><dl>{where}</dl></header>"


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


def notices(run: Run) -> str:
    """Return what a reader must know first, or nothing."""
    if not run.facts.notices:
        return ""
    lines = "".join(f"<p>{escaped(text)}</p>" for text in run.facts.notices)
    return f'<aside class="notices" role="note">{lines}</aside>'


def recommendation(run: Run) -> str:
    """Return the feasible trial that is best in the first objective, against the baseline."""
    members = pareto_front(run)
    if not members:
        why = f"{emptiness(run)} There is nothing to recommend."
        return f'<section class="best"><h2>No model to take</h2><p>{why}</p></section>'
    best, first = members[0], run.facts.objectives[0]
    record = best.record
    of = "Of the models that keep every constraint" if run.facts.constraints else "Of all models"
    tiles = "".join(_tile(run, record, objective) for objective in run.facts.objectives)
    artifact = escaped(record.artifact or "unknown")
    digest = escaped(record.artifact_sha256 or "unknown")
    return f"""<section class="best">
<h2>Take trial {best.number}: {escaped(_candidate_words(record))}</h2>
<p>{of} it has the best {escaped(title(first))}.{_no_gain(run, record, first)}</p>
<div class="tiles">{tiles}</div>
<p class="faint">{escaped(missing_baseline(run) or "")} Model file <code>{artifact}</code>,
SHA-256 <code>{digest}</code>.</p>
</section>"""


def front(run: Run) -> str:
    """Return the table of the baseline and the front."""
    members = pareto_front(run)
    rows = [("baseline", run.baseline)] if run.baseline else []
    rows += [(str(member.number), member.record) for member in members]
    axes = shown_axes(run, [record for _, record in rows])
    cells = [cell(run, record, o) for _, record in rows for o in axes]
    table = _front_table(run, rows, axes) if rows else ""
    notes = footnotes(run, cells, is_empty=not members)
    below = "".join(f'<p class="faint">{escaped(note)}</p>' for note in notes)
    return f"<section><h2>The front</h2>{table}{below}</section>"


def plots(name: str, note: str, places: Sequence[str]) -> str:
    """Return figures with one note."""
    text = f'<p class="faint">{note}</p><noscript><p>Plots need JavaScript.</p></noscript>'
    return f'<section><h2>{name}</h2>{text}<div class="plots">{"".join(places)}</div></section>'


def without_numbers(run: Run) -> str:
    """Return why trials aren't candidates: constraints they break, and failures by reason."""
    rows = [
        _row(str(count), "infeasible", "benchmark", f"breaks {text}")
        for text, count in broken_constraints(run).most_common()
    ]
    for group in failures_by_reason(run):
        example = f"trial {group.numbers[0]}: {group.reason}"
        rows.append(_row(str(len(group.numbers)), group.kind, group.stage, example))
    if not rows:
        return "<section><h2>What didn't work</h2><p>Nothing failed.</p></section>"
    return f"""<section><h2>What didn't work</h2><div class="scroll"><table>
<thead><tr><th class="number">trials</th><th>outcome</th><th>stage</th><th>reason</th></tr></thead>
<tbody>{"".join(rows)}</tbody></table></div></section>"""


def time_spent(run: Run) -> str:
    """Return where the time went, stage by stage, with bars that need no script."""
    times = stage_times(run)
    total = sum(stage.seconds for stage in times)
    rows = "".join(_time_row(stage, total) for stage in times)
    return f"""<section><h2>Where the time went</h2><p>{duration_text(total)} in trials and the
baseline; the canary and confirmation come on top.</p><div class="scroll"><table>
<thead><tr><th>stage</th><th class="number">time</th><th class="number">runs</th>
<th class="number">from the store</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>
</section>"""


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


def escaped(text: str) -> str:
    """Return text that can stand anywhere in the page, in an attribute too."""
    return escape(printable(text))


def _candidate_words(record: TrialRecord) -> str:
    words = [f"{record.engine} {precision_text(record)}", f"sparsity {sparsity_text(record)}"]
    epochs = epochs_text(record)
    words.append(f"{epochs} epoch{'' if epochs == '1' else 's'} of fine-tuning")
    return ", ".join(words)


def _no_gain(run: Run, record: TrialRecord, objective: Objective) -> str:
    """Say it where even the best isn't better than the baseline."""
    cost_ratio = _cost_ratio(run, record, objective)
    if cost_ratio is None or cost_ratio < 1:
        return ""
    return f" <strong>No trial beats the baseline's {escaped(title(objective))}.</strong>"


def _cost_ratio(run: Run, record: TrialRecord, objective: Objective) -> float | None:
    """Return what a candidate costs over what the baseline costs: above 1 is worse."""
    value = record.shown(objective)
    ratio = None if value is None else ratio_to_baseline(run, value, objective)
    return 1 / ratio if ratio and objective.direction == "maximize" else ratio


def _tile(run: Run, record: TrialRecord, objective: Objective) -> str:
    found = cell(run, record, objective)
    is_metric = objective == run.facts.metric
    value = f"{found.marked} {objective.unit}".strip()
    has_ratio = bool(found.comparison) and not is_metric
    big = found.comparison if has_ratio else value
    small = _beside(run, found, objective, value) if found.comparison else ""
    worse = has_ratio and (_cost_ratio(run, record, objective) or 0) > 1
    tag = f'<span><i class="tag">{MARK_WORDS[found.mark]}</i></span>' if found.mark else ""
    return (
        f'<div class="tile{" worse" if worse else ""}"><b>{escaped(big)}</b>'
        f"<span>{escaped(title(objective))}</span>"
        f'<span class="faint">{escaped(small)}</span>{tag}</div>'
    )


def _beside(run: Run, found: Cell, objective: Objective, value: str) -> str:
    if objective == run.facts.metric:
        return f"{found.comparison} from fp32 on the host"
    assert run.baseline is not None
    before = cell(run, run.baseline, objective)
    return f"{value}; baseline {before.marked} {objective.unit}".strip()


def _front_table(
    run: Run, rows: Sequence[tuple[str, TrialRecord]], axes: Sequence[Objective]
) -> str:
    header = "".join(
        f'<th class="number">{escaped(title(o))}<small>{escaped(o.unit)}</small></th>' for o in axes
    )
    lines = "".join(_front_row(run, label, record, axes) for label, record in rows)
    return f"""<div class="scroll"><table>
<thead><tr><th class="number">trial</th><th>engine</th>{header}<th class="number">sparsity</th>
<th class="number">epochs</th><th>other parameters</th></tr></thead>
<tbody>{lines}</tbody></table></div>"""


def _front_row(run: Run, label: str, record: TrialRecord, axes: Sequence[Objective]) -> str:
    numbers = "".join(_number(cell(run, record, o), _moved(run, record, o)) for o in axes)
    others = ", ".join(f"{name} {value}" for name, value in other_params(record).items())
    kind = ' class="baseline"' if label == "baseline" else ""
    return (
        f'<tr{kind}><td class="number">{label}</td>'
        f"<td>{escaped(record.engine)}<small>{escaped(precision_text(record))}</small></td>"
        f'{numbers}<td class="number">{sparsity_text(record)}</td>'
        f'<td class="number">{escaped(epochs_text(record))}</td>'
        f'<td class="params"><small>{escaped(others)}</small></td></tr>'
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
