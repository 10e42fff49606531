"""Plotly figures of a run: two objectives against each other, and how the front grew.

Shape says what happened to a candidate and colour repeats it; a stand-in is a diamond instead of a
circle, and wherever an estimate is involved the marker is hollow. Colours are Okabe and Ito's [1],
told apart by colour-blind readers, on light and on dark ground.

References:
    [1] M. Okabe and K. Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go

from evaluators.measurement import Quantity
from reports.bounds import (
    BOUND_COLOR,
    Window,
    draw_bounds,
    window_of,
    words_for_unseen_bounds,
)
from reports.cells import (
    ESTIMATED,
    STAND_IN,
    cell,
    mark_of,
    param_text,
    printable,
    shown_interval,
    title,
)
from reports.outcomes import DOMINATED, FRONT, INFEASIBLE, UNCONFIRMED, outcomes
from search.front import hypervolume
from search.records import Bounds, Run, TrialRecord
from spaces.objectives import OBJECTIVES, Objective

_BASELINE = "baseline"
_HOLLOW = "-open"
_LOG_AXIS_FROM_RATIO = 20
_NEUTRAL = "#7f8790"
"""Text and lines that read on light and on dark ground."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How one outcome is drawn; ``shape`` is that of a measurement on the named device."""

    legend: str
    color: str
    fill: str
    shape: str
    stand_in_shape: str
    size: int
    opacity: float


_LOOKS = {
    DOMINATED: _Look("dominated", _NEUTRAL, _NEUTRAL, "circle", "diamond", 8, 0.6),
    INFEASIBLE: _Look(
        "breaks a constraint", BOUND_COLOR, "#F5B58A", "circle-x", "diamond-x", 11, 1.0
    ),
    UNCONFIRMED: _Look("not confirmed", "#AA4499", "#CC79A7", "square", "square-x", 10, 1.0),
    _BASELINE: _Look("baseline", "#D98E00", "#E69F00", "star", "star-diamond", 15, 1.0),
    FRONT: _Look("on the front", "#0086C4", "#0086C4", "circle", "diamond", 12, 1.0),
}
"""In the order of drawing: a member of the front shows on top of the larger baseline."""


@dataclass(frozen=True, slots=True)
class _Point:
    label: str
    outcome: str
    record: TrialRecord
    x: Quantity
    y: Quantity


def pareto_figure(run: Run, x: str, y: str) -> go.Figure:
    """Return every measured candidate by two objectives, and what their bounds rule out.

    The front is that of all objectives, so a member may look dominated by these two alone; nothing
    joins the members, since no model lies between them.

    Args:
        run: As it stands.
        x: Name of an objective, or of anything else that is measured.
        y: The same.

    Raises:
        ValueError: If a name is unknown.
    """
    across, up = _axis(run, x), _axis(run, y)
    points = list(_points(run, across, up))
    figure = go.Figure()
    for outcome in _LOOKS:
        group = [point for point in points if point.outcome == outcome]
        if group:
            figure.add_trace(_trace(run, group, across, up))
    _lay_out(figure)
    _lay_out_axis(run, figure, "x", across, [point.x for point in points])
    _lay_out_axis(run, figure, "y", up, [point.y for point in points])
    if not points:
        _say(figure, "Nothing has been measured yet.")
    return figure


def hypervolume_figure(run: Run) -> go.Figure:
    """Return the hypervolume of the first n trials over n, as `search.front` defines it."""
    figure = go.Figure()
    _lay_out(figure)
    figure.update_xaxes(title_text="finished trials", rangemode="tozero")
    estimated = [o for o in run.facts.objectives if _is_estimated(run, o)]
    partly = f" ({', '.join(title(o) for o in estimated)} estimated)" if estimated else ""
    figure.update_yaxes(
        title_text=html.escape(f"hypervolume{partly}"), rangemode="tozero", exponentformat="none"
    )
    volumes = _hypervolumes(run)
    if not volumes:
        _say(figure, "It takes a baseline and a trial.")
        return figure
    line = {"color": _LOOKS[FRONT].color, "shape": "hv", "dash": "dash" if estimated else "solid"}
    count = list(range(1, len(volumes) + 1))
    figure.add_trace(go.Scatter(x=count, y=volumes, mode="lines", line=line, showlegend=False))
    return figure


def _hypervolumes(run: Run) -> list[float]:
    """Return the volume after each trial, by what the search saw at the time."""
    run = run.as_searched()
    volumes: list[float] = []
    for count, trial in enumerate(run.trials, start=1):
        if volumes and not trial.record.is_feasible:  # it can't have changed anything
            volumes.append(volumes[-1])
            continue
        volume = hypervolume(replace(run, trials=run.trials[:count]))
        if volume is None:
            return []
        volumes.append(volume)
    return volumes


def _axis(run: Run, name: str) -> Objective:
    known = {**OBJECTIVES, **{o.name: o for o in (*run.facts.objectives, run.facts.metric)}}
    if name not in known:
        names = ", ".join(known)
        raise ValueError(f"an axis must be one of {names}, but got {name!r}.")
    return known[name]


def _points(run: Run, across: Objective, up: Objective) -> Iterable[_Point]:
    found = outcomes(run)
    candidates = [
        (f"trial {trial.number}", found[trial.number], trial.record) for trial in run.trials
    ]
    if run.baseline is not None:
        candidates.append((_BASELINE, _BASELINE, run.baseline))
    for label, outcome, record in candidates:
        x, y = (record.quantities.get(axis.si_name) for axis in (across, up))
        has_both = x is not None and y is not None and None not in (x.value, y.value)
        if has_both and outcome in _LOOKS:
            assert x is not None
            assert y is not None
            yield _Point(label, outcome, record, x, y)


def _trace(run: Run, points: Sequence[_Point], across: Objective, up: Objective) -> go.Scatter:
    look = _LOOKS[points[0].outcome]
    symbols = [_symbol(point, look) for point in points]
    return go.Scatter(
        name=look.legend,
        x=[point.record.shown(across) for point in points],
        y=[point.record.shown(up) for point in points],
        mode="markers",
        marker={
            "color": [look.color if s.endswith(_HOLLOW) else look.fill for s in symbols],
            "symbol": symbols,
            "size": look.size,
            "opacity": look.opacity,
            "line": {"color": look.color, "width": 1.5},
        },
        error_x=_error_bars([point.x for point in points], across, look),
        error_y=_error_bars([point.y for point in points], up, look),
        hovertext=[_hover(run, point) for point in points],
        hoverinfo="text",
    )


def _symbol(point: _Point, look: _Look) -> str:
    marks = {mark_of(point.x.provenance), mark_of(point.y.provenance)}
    shape = look.stand_in_shape if STAND_IN in marks else look.shape
    return f"{shape}{_HOLLOW}" if ESTIMATED in marks else shape


def _error_bars(quantities: Sequence[Quantity], axis: Objective, look: _Look) -> dict[str, object]:
    """Return whiskers that reach to both ends of each interval; none where none is known."""
    above, below = [], []
    for quantity in quantities:
        assert quantity.value is not None
        low, high = shown_interval(quantity, axis) or (None, None)
        value = axis.shown_from_si(quantity.value)
        above.append(0 if high is None else high - value)
        below.append(0 if low is None else value - low)
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


def _hover(run: Run, point: _Point) -> str:
    record = point.record
    look = _LOOKS[point.outcome]
    heading = point.label if point.outcome == _BASELINE else f"{point.label}, {look.legend}"
    lines = [f"<b>{heading}</b>"]
    for objective in run.facts.objectives:
        found = cell(run, record, objective)
        value = f"{found.marked} {objective.unit}".strip()
        beside = f" ({found.comparison})" if found.comparison else ""
        lines.append(html.escape(f"{title(objective)}: {value}{beside}"))
    lines += [html.escape(f"{printable(n)}: {param_text(v)}") for n, v in record.params.items()]
    return "<br>".join(lines)


def _lay_out_axis(
    run: Run, figure: go.Figure, letter: str, axis: Objective, quantities: Sequence[Quantity]
) -> None:
    name, unseen = f"{letter}axis", ""
    if quantities:
        bounds = run.facts.bounds.get(axis.name, (None, None))
        window = _window(axis, quantities, bounds)
        figure.layout[name].update(window.axis_layout())
        draw_bounds(figure, letter, axis, bounds, window)
        unseen = words_for_unseen_bounds(axis, bounds, window)
    figure.layout[name].title.text = _axis_title(axis, quantities, unseen)


def _axis_title(axis: Objective, quantities: Sequence[Quantity], unseen: str) -> str:
    marks = {mark_of(quantity.provenance) for quantity in quantities}
    unit = f", {axis.unit}" if axis.unit else ""
    kind = " (estimated)" if ESTIMATED in marks else " (stand-in)" if STAND_IN in marks else ""
    better = f"{'lower' if axis.direction == 'minimize' else 'higher'} is better"
    lines = [f"{title(axis)}{unit}{kind}", better, *filter(None, [unseen])]
    return "<br>".join(map(html.escape, lines))


def _window(axis: Objective, quantities: Sequence[Quantity], bounds: Bounds) -> Window:
    values = [axis.shown_from_si(q.value) for q in quantities if q.value is not None]
    is_wide = min(values) > 0 and max(values) / min(values) > _LOG_AXIS_FROM_RATIO
    ends = [end for quantity in quantities for end in shown_interval(quantity, axis) or ()]
    return window_of([*values, *ends], bounds, is_log=is_wide)


def _is_estimated(run: Run, objective: Objective) -> bool:
    found = (trial.record.quantities.get(objective.si_name) for trial in run.trials)
    return any(quantity and mark_of(quantity.provenance) == ESTIMATED for quantity in found)


def _lay_out(figure: go.Figure) -> None:
    """Leave the ground to the page or notebook around the figure, light or dark."""
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": _NEUTRAL, "size": 13, "family": "system-ui, sans-serif"},
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        margin={"l": 72, "r": 16, "t": 52, "b": 104},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": _NEUTRAL, "activecolor": "#0086C4"},
        hovermode="closest",
        hoverlabel={"align": "left", "bgcolor": "#1b2026", "font": {"color": "#ffffff"}},
        showlegend=True,
    )
    axis = {
        "gridcolor": "rgba(127,135,144,0.25)",
        "zeroline": False,
        "automargin": True,
        "title": {"font": {"size": 13}, "standoff": 8},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)


def _say(figure: go.Figure, text: str) -> None:
    place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    figure.add_annotation(text=text, **place)
