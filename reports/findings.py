"""Sections on what the search found out: what each parameter does, and what its numbers rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evaluators.measurement import Quantity
from reports.cells import cell, title
from reports.explore import canary, effects
from reports.knobs import FEWEST, Knob
from reports.markup import escaped, scrollable
from reports.recommendation import recommended
from search.records import Run, TrialRecord
from spaces.objectives import Objective

MOST_DRAWN = 12
"""Parameters whose effects are drawn; those below explain little."""
_SHARE_NOTE = (
    "The share of each objective's spread, over the measured trials, that a parameter explains "
    "alone: adjusted R² of a one-way analysis of variance, costs as logarithms. Parameters that "
    "act only together show less. A search doesn't try its space evenly, so a share describes "
    f"these trials rather than the device; below {FEWEST} trials there is none."
)
_EFFECT_NOTE = (
    "Points are medians of the trials with this value, whatever their other parameters are; bars "
    "reach from the 10th to the 90th percentile. A dotted line is the baseline."
)


def knob_section(run: Run, knobs: Sequence[Knob]) -> str:
    """Return the importance of each parameter for each objective, and their effects."""
    if not knobs:
        return ""
    axes = run.facts.objectives
    header = "".join(f'<th class="number" scope="col">{escaped(title(o))}</th>' for o in axes)
    rows = "".join(_knob_row(knob, axes) for knob in knobs)
    drawn = "".join(
        f"<details{' open' if n == 0 else ''}><summary>{escaped(knob.name)}</summary>"
        f"{effects(run, knob)}</details>"
        for n, knob in enumerate(knobs[:MOST_DRAWN])
    )
    table = f"""<table class="shares"><thead><tr><th scope="col">parameter</th>
<th class="number" scope="col">trials</th>{header}</tr></thead><tbody>{rows}</tbody></table>"""
    return f"""<section><h2>What each parameter does</h2><p class="faint">{_SHARE_NOTE}</p>
{scrollable("Shares of each parameter", table)}
<p class="faint">{_EFFECT_NOTE}</p><noscript><p>Plots need JavaScript.</p></noscript>{drawn}
</section>"""


def validity(run: Run) -> str:
    """Return what the numbers rest on: drift, what disturbed, and how each was obtained."""
    best = recommended(run)
    record = run.baseline if best is None else best.record
    if record is None:
        return ""
    of = "the baseline" if best is None else f"trial {best.number}"
    rows = "".join(_method_row(run, record, o) for o in run.facts.objectives)
    flags = Counter(flag for trial in run.trials for flag in trial.record.flags)
    disturbed = "".join(f"<li>{n} x {escaped(flag)}</li>" for flag, n in flags.most_common(10))
    listed = f"<p>What disturbed, most frequent first:</p><ul>{disturbed}</ul>" if flags else ""
    table = f"""<table><thead><tr>
<th scope="col">objective</th><th class="number" scope="col">value</th>
<th class="number" scope="col">95 % interval</th><th class="number" scope="col">samples</th>
<th scope="col">method</th><th scope="col">provenance</th></tr></thead>
<tbody>{rows}</tbody></table>"""
    return f"""<section><h2>Drift and validity</h2>{canary(run)}{listed}
<p class="faint">How the numbers of {of} were obtained:</p>
{scrollable("How the numbers were obtained", table)}</section>"""


def _knob_row(knob: Knob, axes: Sequence[Objective]) -> str:
    shares = "".join(_share(knob.shares[objective.name]) for objective in axes)
    return (
        f'<tr><th scope="row">{escaped(knob.name)}</th>'
        f'<td class="number">{knob.count}</td>{shares}</tr>'
    )


def _share(share: float | None) -> str:
    """Return a share as a number over a bar, as colour alone would say nothing to some."""
    if share is None:
        return '<td class="number" title="too few trials">-</td>'
    percent = round(100 * share)
    return f'<td class="number share" style="--of:{percent}%">{percent} %</td>'


def _method_row(run: Run, record: TrialRecord, objective: Objective) -> str:
    found, quantity = cell(run, record, objective), record.quantities.get(objective.si_name)
    numbers = (f"{found.marked} {objective.unit}".strip(), found.interval, _samples(quantity))
    words = (quantity.method if quantity else "", found.provenance)
    return (
        f'<tr><th scope="row">{escaped(title(objective))}</th>'
        + "".join(f'<td class="number">{escaped(text)}</td>' for text in numbers)
        + "".join(f"<td>{escaped(text)}</td>" for text in words)
        + "</tr>"
    )


def _samples(quantity: Quantity | None) -> str:
    return str(quantity.n) if quantity is not None and quantity.value is not None else ""
