"""How every figure looks: shapes and colours of outcomes, ground, axes.

Shape says what happened to a candidate and colour repeats it; a stand-in has another shape, mostly
a diamond for a circle, and wherever an estimate is involved the marker is hollow. Colours are Okabe
and Ito's [1], told apart by colour-blind readers, on light and on dark ground.

A drawing is a figure as Plotly's JSON has it, made without `plotly.graph_objects`, which checks
every value; `reports.plots` makes the one into the other.

References:
    [1] M. Okabe and K. Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reports.bounds import BOUND_COLOR
from reports.outcomes import DOMINATED, FRONT, INFEASIBLE, UNCONFIRMED
from search.records import GATED

Drawing = dict[str, Any]

BASELINE = "baseline"
FAILED = "failed"
"""Stands for every kind of failure but a gate: none has numbers."""
NEUTRAL = "#7f8790"
"""Text and lines that read on light and on dark ground."""
BLUE = "#0086C4"
_GRID = "rgba(127,135,144,0.25)"
_CLEAR = "rgba(0,0,0,0)"
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Look:
    """How one outcome is drawn; ``shape`` is that of a measurement on the named device."""

    legend: str
    color: str
    fill: str
    shape: str
    stand_in_shape: str
    size: int
    opacity: float


LOOKS = {
    DOMINATED: Look("dominated", NEUTRAL, NEUTRAL, "circle", "diamond", 8, 0.6),
    GATED: Look("gated", "#00795A", "#5CC7A5", "triangle-down", "triangle-left", 9, 1.0),
    INFEASIBLE: Look(
        "breaks a constraint", BOUND_COLOR, "#F5B58A", "circle-x", "diamond-x", 9, 0.7
    ),
    UNCONFIRMED: Look("not confirmed", "#AA4499", "#CC79A7", "square", "square-x", 10, 1.0),
    BASELINE: Look(BASELINE, "#D98E00", "#E69F00", "star", "star-diamond", 15, 1.0),
    FRONT: Look("on the front", BLUE, BLUE, "circle", "diamond", 12, 1.0),
    FAILED: Look(FAILED, NEUTRAL, NEUTRAL, "x-thin", "x-thin", 9, 1.0),
}
"""In the order of drawing: a member of the front shows on top of the larger baseline."""


def look_of(outcome: str) -> str:
    """Return the key in `LOOKS` of an outcome."""
    return outcome if outcome in LOOKS else FAILED


def drawing(height_of_legend: int = 104) -> Drawing:
    """Return an empty figure that leaves the ground to the page or notebook around it."""
    layout: dict[str, Any] = {
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"color": NEUTRAL, "size": 13, "family": "system-ui, sans-serif"},
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "margin": {"l": 72, "r": 16, "t": 52, "b": height_of_legend},
        "modebar": {"bgcolor": _CLEAR, "color": NEUTRAL, "activecolor": BLUE},
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "bgcolor": "#1b2026", "font": {"color": "#ffffff"}},
        "showlegend": True,
        "xaxis": _axis(),
        "yaxis": _axis(),
    }
    return {"data": [], "layout": layout}


def say(figure: Drawing, text: str) -> None:
    """Write a text in the middle of a figure that has nothing to show."""
    place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    figure["layout"]["annotations"] = [{"text": text, **place}]


def drawn(values: Iterable[float | None]) -> list[float | None]:
    """Return values with as many digits as a screen can show, which halves a page."""
    return [None if value is None else short(value) for value in values]


def short(value: float) -> float:
    """Return a value with six significant digits."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))


def _axis() -> dict[str, Any]:
    return {
        "gridcolor": _GRID,
        "zeroline": False,
        "automargin": True,
        "title": {"font": {"size": 13}, "standoff": 8, "text": ""},
    }
