"""Two objectives against each other: every candidate measured, and what bounds rule out."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluators.measurement import Quantity
from reports.bounds import Window, bound_shapes, window_of, words_for_unseen_bounds
from reports.candidates import Candidate
from reports.cells import ESTIMATED, STAND_IN, kind_words, mark_of, shown_interval, title
from reports.looks import BASELINE, LOOKS, Drawing, Look, drawing, drawn, say, short
from reports.outcomes import FRONT
from search.records import Run
from search.run_facts import Bounds
from spaces.objectives import Objective

HOLLOW = "-open"
_LOG_AXIS_FROM_RATIO = 20
_MOST_BARS = 100
"""Of more trials that aren't on the front, the bars would hide it; pointing at one shows them."""
_RUG_HEIGHT = 0.012  # of the plot


@dataclass(frozen=True, slots=True)
class _Point:
    candidate: Candidate
    x: Quantity | None
    y: Quantity | None

    @property
    def is_whole(self) -> bool:
        return self.x is not None and self.y is not None


def pareto_drawing(
    run: Run, found: Sequence[Candidate], across: Objective, up: Objective
) -> Drawing:
    """Return a figure whose markers have the rows of their candidates as ``customdata``.

    What pointing at a marker shows is left to who draws it, as many figures show the same.

    The front is that of all objectives, so a member may look dominated by these two alone; nothing
    joins the members, since no model lies between them. What has only one of the two numbers, such
    as what a gate ended before its metric was known, is a tick at the edge of the plot.
    """
    points = [point for c in found if (point := _point(c, across, up))]
    figure = drawing()
    is_empty = not any(point.is_whole for point in points)
    for outcome in () if is_empty else LOOKS:
        group = [point for point in points if point.candidate.outcome == outcome]
        if whole := [point for point in group if point.is_whole]:
            figure["data"].append(_trace(whole, across, up))
        if only_x := [point for point in group if point.y is None]:
            figure["data"].append(_rug(only_x, "x", across, up))
        if only_y := [point for point in group if point.x is None]:
            figure["data"].append(_rug(only_y, "y", up, across))
    _lay_out_axis(run, figure, "x", across, [p.x for p in points if p.x is not None])
    _lay_out_axis(run, figure, "y", up, [p.y for p in points if p.y is not None])
    if is_empty:
        say(figure, "Nothing has been measured yet.")
    return figure


def axis_title(axis: Objective, quantities: Sequence[Quantity], unseen: str = "") -> str:
    """Return what an axis shows: name, unit, what isn't a measurement, and which way is better."""
    unit = f", {axis.unit}" if axis.unit else ""
    better = f"{'lower' if axis.direction == 'minimize' else 'higher'} is better"
    lines = [f"{title(axis)}{unit}{kind_words(quantities)}", better, *filter(None, [unseen])]
    return "<br>".join(map(html.escape, lines))


def is_wide(values: Sequence[float]) -> bool:
    """Say whether values span so much that only a logarithmic axis shows them all."""
    return min(values) > 0 and max(values) / min(values) > _LOG_AXIS_FROM_RATIO


def _point(candidate: Candidate, across: Objective, up: Objective) -> _Point | None:
    x, y = (
        None if quantity is None or quantity.value is None else quantity
        for quantity in (candidate.record.quantities.get(o.si_name) for o in (across, up))
    )
    return None if x is None and y is None else _Point(candidate, x, y)


def _trace(points: Sequence[_Point], across: Objective, up: Objective) -> dict[str, Any]:
    outcome = points[0].candidate.outcome
    look = LOOKS[outcome]
    has_bars = outcome in (FRONT, BASELINE) or len(points) <= _MOST_BARS
    x, y = [p.x for p in points if p.x], [p.y for p in points if p.y]
    return {
        "type": "scatter",
        "name": look.legend,
        "x": drawn(across.shown_from_si(q.value) for q in x if q.value is not None),
        "y": drawn(up.shown_from_si(q.value) for q in y if q.value is not None),
        "mode": "markers",
        "marker": _marker(points, look),
        "error_x": _error_bars(x, across, look) if has_bars else {"visible": False},
        "error_y": _error_bars(y, up, look) if has_bars else {"visible": False},
        **_pointed_at(points),
    }


def _rug(
    points: Sequence[_Point], letter: str, axis: Objective, missing: Objective
) -> dict[str, Any]:
    """Return ticks on the edge of the axis of which there is a number."""
    other = "y" if letter == "x" else "x"
    look = LOOKS[points[0].candidate.outcome]
    values = [axis.shown_from_si(getattr(point, letter).value) for point in points]
    return {
        "type": "scatter",
        "name": html.escape(f"{look.legend}, {title(missing)} unknown"),
        letter: drawn(values),
        other: [_RUG_HEIGHT] * len(points),
        f"{other}axis": f"{other}2",
        "mode": "markers",
        "marker": {
            "color": look.color,
            "symbol": "line-ns" if letter == "x" else "line-ew",
            "size": 12,
            "line": {"color": look.color, "width": 1.5},
        },
        **_pointed_at(points),
    }


def _pointed_at(points: Sequence[_Point]) -> dict[str, Any]:
    return {"customdata": [point.candidate.row for point in points], "hoverinfo": "text"}


def _marker(points: Sequence[_Point], look: Look) -> dict[str, Any]:
    symbols = [_symbol(point, look) for point in points]
    colors = [look.color if symbol.endswith(HOLLOW) else look.fill for symbol in symbols]
    is_one = len(set(symbols)) == 1
    return {
        "color": colors[0] if is_one else colors,
        "symbol": symbols[0] if is_one else symbols,
        "size": look.size,
        "opacity": look.opacity,
        "line": {"color": look.color, "width": 1.5},
    }


def _symbol(point: _Point, look: Look) -> str:
    marks = {mark_of(q.provenance) for q in (point.x, point.y) if q is not None}
    shape = look.stand_in_shape if STAND_IN in marks else look.shape
    return f"{shape}{HOLLOW}" if ESTIMATED in marks else shape


def _error_bars(quantities: Sequence[Quantity], axis: Objective, look: Look) -> dict[str, Any]:
    """Return whiskers that reach to both ends of each interval; none where none is known."""
    above, below = [], []
    for quantity in quantities:
        assert quantity.value is not None
        low, high = shown_interval(quantity, axis) or (None, None)
        value = axis.shown_from_si(quantity.value)
        above.append(0 if high is None else short(high - value))
        below.append(0 if low is None else short(value - low))
    if not any(above) and not any(below):
        return {"visible": False}
    return {
        "type": "data",
        "symmetric": False,
        "array": above,
        "arrayminus": below,
        "color": f"{look.color}80",  # half as strong as the marker
        "thickness": 1,
        "width": 0,
    }


def _lay_out_axis(
    run: Run, figure: Drawing, letter: str, axis: Objective, quantities: Sequence[Quantity]
) -> None:
    layout, unseen = figure["layout"], ""
    if quantities:
        bounds = run.facts.bounds.get(axis.name, (None, None))
        window = _window(axis, quantities, bounds)
        layout[f"{letter}axis"].update(window.axis_layout())
        layout["shapes"] = [
            *layout.get("shapes", ()), *bound_shapes(letter, axis, bounds, window)
        ]  # fmt: skip
        unseen = words_for_unseen_bounds(axis, bounds, window)
    layout[f"{letter}axis"]["title"]["text"] = axis_title(axis, quantities, unseen)
    if any(f"{letter}axis" in trace for trace in figure["data"]):
        over = {"overlaying": letter, "range": [0, 1], "visible": False, "fixedrange": True}
        layout[f"{letter}axis2"] = over


def _window(axis: Objective, quantities: Sequence[Quantity], bounds: Bounds) -> Window:
    values = [axis.shown_from_si(q.value) for q in quantities if q.value is not None]
    ends = [end for quantity in quantities for end in shown_interval(quantity, axis) or ()]
    return window_of([*values, *ends], bounds, is_log=is_wide(values))
