"""What a parameter does, drawn: each objective over its values, and all on parallel axes."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from reports.candidates import Candidate
from reports.cells import kind_words, number_text, param_text, printable, title
from reports.knobs import Knob
from reports.looks import BASELINE, BLUE, NEUTRAL, Drawing, drawing, drawn, short
from reports.pareto_drawing import is_wide
from search.records import Run, TrialRecord
from spaces.dimensions import is_number
from spaces.objectives import Objective

MOST_AXES = 9
"""Parameters on the parallel axes; more can't be read, and the first matter most."""
_MOST_TICKS = 8
_TICK_GAP = 0.04  # of an axis
_BELOW = 0.12  # of an axis: where what has no value runs through
NOT_SET = "none"
OUT, LEFT, ON_THE_FRONT = 0.0, 0.5, 1.0
_COLORS = [[OUT, "#a3a9b0"], [LEFT, "#4FA3CF"], [ON_THE_FRONT, "#D98E00"]]


def effect_drawing(run: Run, knob: Knob, objective: Objective) -> Drawing:
    """Return the median of an objective by the values of a parameter, and where most trials lie."""
    effects = knob.effects[objective.name]
    figure = drawing()
    layout = figure["layout"]
    layout["margin"] |= {"t": 16, "l": 56, "b": 40}
    layout["showlegend"] = False
    records = [trial.record for trial in run.trials]
    layout["yaxis"]["title"]["text"] = html.escape(_label(objective, records))
    layout["xaxis"] |= {"type": "category"}
    ends = [end for effect in effects for end in (effect.low, effect.high)]
    if ends and objective != run.facts.metric and is_wide(ends):
        layout["yaxis"] |= {"type": "log"}
    baseline = None if run.baseline is None else run.baseline.shown(objective)
    if baseline is not None:
        layout["shapes"] = [_baseline_line(baseline)]
    figure["data"].append(
        {
            "type": "scatter",
            "x": [html.escape(effect.label) for effect in effects],
            "y": drawn(effect.median for effect in effects),
            "mode": "markers",
            "marker": {"color": BLUE, "size": 10},
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": drawn(effect.high - effect.median for effect in effects),
                "arrayminus": drawn(effect.median - effect.low for effect in effects),
                "color": BLUE,
                "thickness": 2,
                "width": 4,
            },
            "hovertext": [
                f"{html.escape(e.label)}: {number_text(e.median)}, most from "
                f"{number_text(e.low)} to {number_text(e.high)}, {e.count} trials"
                for e in effects
            ],
            "hoverinfo": "text",
        }
    )
    return figure


def parallel_drawing(
    run: Run, found: Sequence[Candidate], knobs: Sequence[Knob], most: int
) -> Drawing | None:
    """Return the measured trials as lines over objectives and the most important parameters.

    ``rows`` of the figure has the candidate of each line. None without two lines.
    """
    shown = [c for c in found if c.outcome != BASELINE and _has_all(run, c.record)]
    if len(shown) < 2:
        return None
    records = [c.record for c in shown]
    names = {printable(name): name for record in records for name in record.params}
    axes = [names[knob.name] for knob in knobs[:most] if knob.name in names]
    dimensions = [
        *(_axis(name, [record.params.get(name) for record in records]) for name in axes),
        *(
            _numbers(_label(o, records), [record.shown(o) for record in records])
            for o in run.facts.objectives
        ),
    ]  # fmt: skip
    figure = drawing()
    figure["rows"] = [candidate.row for candidate in shown]
    layout = figure["layout"]
    del layout["xaxis"], layout["yaxis"], layout["hovermode"]
    layout["margin"] = {"l": 60, "r": 60, "t": 70, "b": 30}
    figure["data"] = [
        {
            "type": "parcoords",
            "dimensions": dimensions,
            "line": {
                "color": [LEFT] * len(shown),
                "colorscale": _COLORS,
                "cmin": OUT,
                "cmax": ON_THE_FRONT,
            },
            "labelfont": {"color": NEUTRAL, "size": 12},
            "tickfont": {"color": NEUTRAL, "size": 11},
            "rangefont": {"color": NEUTRAL, "size": 1},  # the ends are ticks already
            "labelangle": -12,
            "unselected": {"line": {"color": NEUTRAL, "opacity": 0.12}},
        }
    ]
    return figure


def _has_all(run: Run, record: TrialRecord) -> bool:
    return record.failure is None and all(
        record.shown(objective) is not None for objective in run.facts.objectives
    )


def _label(objective: Objective, records: Sequence[TrialRecord]) -> str:
    """Return name, unit, and what of it isn't a measurement on the device."""
    unit = f", {objective.unit}" if objective.unit else ""
    kind = kind_words(record.quantities.get(objective.si_name) for record in records)
    return f"{title(objective)}{unit}{kind}"


def _axis(name: str, values: Sequence[Any]) -> dict[str, Any]:
    if all(value is None or is_number(value) for value in values):
        return _numbers(printable(name), values)
    texts = [NOT_SET if value is None else param_text(value) for value in values]
    labels = sorted(set(texts))
    place = {label: n for n, label in enumerate(labels)}
    return {
        "label": html.escape(printable(name)),
        "values": [place[text] for text in texts],
        "tickvals": list(range(len(labels))),
        "ticktext": [html.escape(label) for label in labels],
        "range": [-0.3, len(labels) - 0.7],
    }


def _numbers(label: str, values: Sequence[float | None]) -> dict[str, Any]:
    """Return an axis of numbers, logarithmic where they span magnitudes, with room for none."""
    known = sorted({value for value in values if value is not None})
    is_log = is_wide(known)
    places = [None if v is None else math.log10(v) if is_log else v for v in values]
    low, high = (math.log10(v) if is_log else v for v in (known[0], known[-1]))
    reach = high - low or abs(high) * 0.1 or 1.0
    below = low - _BELOW * reach
    margin = 0.0 if high > low else reach / 2
    ticks = known if len(known) <= _MOST_TICKS else _spread_out(known, is_log=is_log)
    ticks = _apart(ticks, is_log=is_log)
    at = [math.log10(tick) if is_log else tick for tick in ticks]
    texts = [number_text(tick) if tick != round(tick) else f"{tick:.0f}" for tick in ticks]
    if None in values:
        at, texts = [below, *at], [NOT_SET, *texts]
    return {
        "label": html.escape(label),
        "values": [short(below if place is None else place) for place in places],
        "tickvals": drawn(at),
        "ticktext": texts,
        "range": [below if None in values else low - margin, high + margin],
    }


def _apart(ticks: Sequence[float], *, is_log: bool) -> list[float]:
    """Return rising ticks without those whose text would cover the one before."""
    place = math.log10 if is_log else float
    least = _TICK_GAP * (place(ticks[-1]) - place(ticks[0]))
    kept = [ticks[0]]
    for tick in ticks[1:]:
        if place(tick) - place(kept[-1]) >= least:
            kept.append(tick)
    return kept


def _spread_out(known: Sequence[float], *, is_log: bool) -> list[float]:
    """Return five ticks from the least to the most."""
    low, high = known[0], known[-1]
    shares = [step / 4 for step in range(5)]
    if is_log:
        return [low * (high / low) ** share for share in shares]
    return [low + (high - low) * share for share in shares]


def _baseline_line(height: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x domain",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": height,
        "y1": height,
        "line": {"color": "#D98E00", "width": 1.5, "dash": "dot"},
    }
