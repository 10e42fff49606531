"""Bounds in a plot: a line with its text, and the side that no deployable model may lie on shaded.

An axis shows all its values, and a bound that isn't far from them; a bound farther away than the
values are spread would squeeze them into a corner, so the axis' title tells it instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search.run_facts import Bounds
from spaces.objectives import Objective

BOUND_COLOR = "#C04A00"
_FORBIDDEN = "rgba(192,74,0,0.13)"
_MARGIN = 0.07  # of what is shown, so that the outermost marker isn't cut


@dataclass(frozen=True, slots=True)
class Window:
    """The part of an axis that is shown, ends in the unit people see."""

    low: float
    high: float
    is_log: bool

    def shows(self, value: float) -> bool:
        """Say whether a value lies within."""
        return self.low <= value <= self.high

    def has_right(self, value: float) -> bool:
        """Say whether a value lies in the upper half."""
        low, place, high = (_place(v, is_log=self.is_log) for v in (self.low, value, self.high))
        return place > (low + high) / 2

    def axis_layout(self) -> dict[str, object]:
        """Return type and range as Plotly has them: on a log axis, the range in decades."""
        if self.is_log:
            return {"type": "log", "range": [math.log10(self.low), math.log10(self.high)]}
        return {"type": "linear", "range": [self.low, self.high]}


def window_of(values: Sequence[float], bounds: Bounds, *, is_log: bool) -> Window:
    """Return what an axis has to show: every value, and the bounds near them.

    Args:
        values: At least one; what isn't above 0 has no place on a log axis.
        bounds: Lower and upper, in the unit of the values.
        is_log: Whether distances are ratios.
    """
    ends = [_place(value, is_log=is_log) for value in values if value > 0 or not is_log]
    low, high = min(ends), max(ends)
    spread = high - low or abs(high) * 0.1 or 1.0
    given = [bound for bound in bounds if bound is not None and (bound > 0 or not is_log)]
    places = [_place(bound, is_log=is_log) for bound in given]
    shown = [at for at in places if low - spread <= at <= high + spread]
    low, high = min([low, *shown]), max([high, *shown])
    margin = _MARGIN * (high - low or spread)
    low, high = low - margin, high + margin
    return Window(10**low, 10**high, is_log) if is_log else Window(low, high, is_log)


def bound_shapes(
    letter: str, axis: Objective, bounds: Bounds, window: Window
) -> Iterator[dict[str, Any]]:
    """Yield Plotly shapes: what the bounds rule out, then each that is shown as a line with text.

    Args:
        letter: Of the axis, ``x`` or ``y``.
        axis: What is on it.
        bounds: Lower and upper, in the unit of the axis.
        window: What is shown of the axis.
    """
    low, high = bounds
    if low is not None and low > window.low:
        yield _area(letter, window.low, min(low, window.high))
    if high is not None and high < window.high:
        yield _area(letter, max(high, window.low), window.high)
    for bound, text in _texts(axis, bounds):
        if window.shows(bound):
            yield _line(letter, bound, text, window)


def words_for_unseen_bounds(axis: Objective, bounds: Bounds, window: Window) -> str:
    """Return the bounds that lie beyond what is shown, or nothing."""
    unseen = [text for bound, text in _texts(axis, bounds) if not window.shows(bound)]
    return f"bound outside: {' and '.join(unseen)}" if unseen else ""


def _texts(axis: Objective, bounds: Bounds) -> Iterator[tuple[float, str]]:
    for words, bound in zip(("at least", "at most"), bounds, strict=True):
        if bound is not None:
            yield bound, f"{words} {bound:.4g} {axis.unit}".strip()


def _place(value: float, *, is_log: bool) -> float:
    return math.log10(value) if is_log else value


def _area(letter: str, start: float, end: float) -> dict[str, Any]:
    look = {"fillcolor": _FORBIDDEN, "line": {"width": 0}, "layer": "below"}
    across = {f"{letter}0": start, f"{letter}1": end}
    return {"type": "rect", **across, **_whole(letter), **look}


def _line(letter: str, bound: float, text: str, window: Window) -> dict[str, Any]:
    # Above the plot no marker can hide it, and towards the middle nothing cuts it off.
    above = {"textposition": "end", "xanchor": "right" if window.has_right(bound) else "left"}
    place = above if letter == "x" else {"textposition": "start", "xanchor": "left"}
    label = {"text": text, "textangle": 0, "yanchor": "bottom", "padding": 3, **place}
    line = {"color": BOUND_COLOR, "width": 1.5, "dash": "dash"}
    across = {f"{letter}0": bound, f"{letter}1": bound}
    # Below, the grid would hide it; between the two, Plotly 7.1 fails in shapes of a whole domain.
    return {
        "type": "line",
        **across,
        **_whole(letter),
        "label": label,
        "line": line,
        "layer": "above",
    }


def _whole(letter: str) -> dict[str, object]:
    """Return the coordinates that reach from end to end of the other axis."""
    other = "y" if letter == "x" else "x"
    return {
        f"{letter}ref": letter,
        f"{other}ref": f"{other} domain",
        f"{other}0": 0,
        f"{other}1": 1,
    }
