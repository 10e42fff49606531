"""How a search went: its hypervolume, what became of each trial, and how the machine drifted."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from reports.candidates import Candidate
from reports.cells import ESTIMATED, mark_of, title
from reports.durations import duration_text
from reports.looks import BASELINE, BLUE, LOOKS, NEUTRAL, Drawing, drawing, drawn, say
from search.drift import LIMIT
from search.front import hypervolume_history
from search.records import Run
from spaces.objectives import Objective

_LOW = 64  # pixels below a figure without a legend


def hypervolume_drawing(run: Run) -> Drawing:
    """Return the hypervolume of the first n trials over n, as `search.front` defines it."""
    figure = drawing(_LOW)
    layout = figure["layout"]
    estimated = [o for o in run.facts.objectives if _is_estimated(run, o)]
    partly = f" ({', '.join(title(o) for o in estimated)} estimated)" if estimated else ""
    _name(figure, "x", "finished trials")
    _name(figure, "y", html.escape(f"hypervolume{partly}"))
    layout["yaxis"] |= {"rangemode": "tozero", "exponentformat": "none"}
    layout["xaxis"] |= {"rangemode": "tozero"}
    volumes = hypervolume_history(run.as_searched())
    if not volumes:
        say(figure, "It takes a baseline and a trial.")
        return figure
    figure["data"].append(
        {
            "type": "scatter",
            "x": list(range(1, len(volumes) + 1)),
            "y": drawn(volumes),
            "mode": "lines",
            "line": {
                "color": BLUE,
                "width": 2,
                "shape": "hv",
                "dash": "dash" if estimated else "solid",
            },
            "hovertext": _elapsed(run, volumes),
            "hoverinfo": "text",
            "showlegend": False,
        }
    )
    return figure


def outcomes_drawing(found: Sequence[Candidate]) -> Drawing:
    """Return what became of each trial, one row an outcome, with the rows as ``customdata``."""
    figure = drawing(_LOW)
    layout = figure["layout"]
    _name(figure, "x", "trial")
    groups = {
        outcome: [c for c in found if c.outcome == outcome]
        for outcome in LOOKS
        if outcome != BASELINE
    }
    names = [LOOKS[outcome].legend for outcome, group in groups.items() if group]
    layout["yaxis"] |= {"categoryorder": "array", "categoryarray": names}
    layout["showlegend"] = False
    for outcome, group in groups.items():
        look = LOOKS[outcome]
        if group:
            figure["data"].append(
                {
                    "type": "scatter",
                    "name": look.legend,
                    "x": [c.trial.number for c in group if c.trial is not None],
                    "y": [look.legend] * len(group),
                    "mode": "markers",
                    "marker": {
                        "color": look.fill,
                        "symbol": look.shape,
                        "size": min(look.size, 9),
                        "line": {"color": look.color, "width": 1.5},
                    },
                    "customdata": [candidate.row for candidate in group],
                    "hoverinfo": "text",
                }
            )
    return figure


def canary_drawing(run: Run) -> Drawing:
    """Return the baseline's time over that at the beginning, and the limit of what is trusted."""
    figure = drawing(_LOW)
    layout = figure["layout"]
    _name(figure, "x", "finished trials")
    _name(figure, "y", "baseline's time,<br>over that at the beginning")
    ratios = [reading.ratio for reading in run.canary]
    if not ratios:
        say(figure, "The baseline wasn't timed again.")
        return figure
    reach = max(2 * LIMIT, *(1.1 * abs(ratio - 1) for ratio in ratios))
    layout["yaxis"] |= {"range": [1 - reach, 1 + reach], "tickformat": ".2f"}
    layout["xaxis"] |= {"rangemode": "tozero"}
    layout["shapes"] = [
        _level(1 - LIMIT, "dash"),
        _level(1.0, "solid"),
        _level(1 + LIMIT, "dash"),
    ]
    figure["data"].append(
        {
            "type": "scatter",
            "x": [reading.trials for reading in run.canary],
            "y": drawn(ratios),
            "mode": "lines+markers",
            "line": {"color": BLUE},
            "marker": {
                "symbol": ["x" if reading.has_drifted else "circle" for reading in run.canary],
                "size": 9,
            },
            "hovertemplate": "after %{x} trials: %{y:.3f}x<extra></extra>",
            "showlegend": False,
        }
    )
    return figure


def _level(height: float, dash: str) -> dict[str, Any]:
    line = {"color": NEUTRAL, "width": 1, "dash": dash}
    ends = {"x0": 0, "x1": 1, "y0": height, "y1": height}
    return {"type": "line", "xref": "x domain", "yref": "y", "line": line, **ends}


def _name(figure: Drawing, letter: str, text: str) -> None:
    figure["layout"][f"{letter}axis"]["title"]["text"] = text


def _elapsed(run: Run, volumes: Sequence[float]) -> list[str]:
    """Say for each trial what was reached, and how much work that took."""
    texts, seconds = [], 0.0
    for count, (trial, volume) in enumerate(zip(run.trials, volumes, strict=True), start=1):
        record = trial.record
        stages_s = sum(record.stage_seconds.values())
        seconds += stages_s + record.ask_seconds + record.overhead_seconds
        texts.append(f"{volume:.4g} after {count} trials and {duration_text(seconds)}")
    return texts


def _is_estimated(run: Run, objective: Objective) -> bool:
    found = (trial.record.quantities.get(objective.si_name) for trial in run.trials)
    return any(quantity and mark_of(quantity.provenance) == ESTIMATED for quantity in found)
