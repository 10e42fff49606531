"""What a person sees of a comparison: two tables and a plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.comparison import (
    FRACTIONS,
    OF_THEIR_END,
    Outcomes,
    Reached,
    best_hypervolume,
    mean_spent_s,
    reached,
    reached_their_end,
    time_ratio,
)
from benchmarks.outcome import Outcome

_COLORS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#5c5c5c", "#00798c", "#8d6a4f")
_PLOTTED_TIMES = 400


def show_times(console: Console, outcomes: Outcomes, ours: str, budget_s: float) -> None:
    """Print how long each method took; a median that is only a bound is marked."""
    best = best_hypervolume(outcomes)
    table = Table(
        title=f"{len(outcomes[ours])} seeds, best hypervolume {best:.4f}, budget {budget_s:.0f} s",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("method", no_wrap=True)
    for words in (*(f"{fraction:.0%}" for fraction in FRACTIONS), f"{OF_THEIR_END:.0%} of its end"):
        table.add_column(f"to {words}, s", justify="right")
        table.add_column("ours over it", justify="right")
    for name in ("hypervolume", "p90 at -0.01, ms", "trials"):
        table.add_column(name, justify="right")
    for name, runs in outcomes.items():
        table.add_row(name, *_time_cells(outcomes, name, ours, budget_s), *_end_cells(runs))
    console.print(table)
    console.print(
        "Medians over the seeds. Where most searches never got there they count as the whole "
        "budget: > is a time or ratio of at least this, < a ratio of at most this. Its end: the "
        "hypervolume that the method's own search had in the end.",
        soft_wrap=True,
    )


def show_stages(console: Console, outcomes: Outcomes) -> None:
    """Print where each method's time went, in the order in which its stages come first."""
    spent_s = {name: mean_spent_s(runs) for name, runs in outcomes.items()}
    table = Table(
        title="seconds by stage, mean over the seeds",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("stage", no_wrap=True)
    for name in outcomes:
        table.add_column(name, justify="right")
    for stage in dict.fromkeys(stage for spent in spent_s.values() for stage in spent):
        table.add_row(stage, *(f"{spent.get(stage, 0.0):.0f}" for spent in spent_s.values()))
    console.print(table)


def write_plot(path: Path, outcomes: Outcomes, budget_s: float) -> None:
    """Write hypervolume against virtual time: the median of each method, and its quartiles."""
    figure = go.Figure()
    # A first trial takes seconds and the last ones hours: a logarithmic axis shows both.
    times_s = np.geomspace(1.0, budget_s, _PLOTTED_TIMES)
    for (name, runs), color in zip(outcomes.items(), _COLORS, strict=False):
        volumes = np.array([[run.hypervolume_at(at_s) for at_s in times_s] for run in runs])
        low, middle, high = np.quantile(volumes, (0.25, 0.5, 0.75), axis=0)
        band = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
        figure.add_scatter(x=times_s, y=low, **band)
        figure.add_scatter(x=times_s, y=high, fill="tonexty", fillcolor=_faint(color), **band)
        figure.add_scatter(x=times_s, y=middle, name=name, line={"color": color})
    best = best_hypervolume(outcomes)
    for fraction in FRACTIONS:
        figure.add_hline(fraction * best, line_dash="dot", annotation_text=f"{fraction:.0%}")
    figure.update_layout(
        template="plotly_white",
        xaxis={"title": "seconds", "type": "log"},
        yaxis={"title": "hypervolume"},
        title="Hypervolume over time: median and quartiles over the seeds",
    )
    figure.write_html(path, include_plotlyjs=True)


def _time_cells(outcomes: Outcomes, name: str, ours: str, budget_s: float) -> list[str]:
    best = best_hypervolume(outcomes)
    methods = outcomes[ours], outcomes[name]
    times = [[reached(m, fraction * best, budget_s) for m in methods] for fraction in FRACTIONS]
    times.append([reached_their_end(m, outcomes[name], budget_s) for m in methods])
    cells = []
    for own, other in times:
        cells.append(_time(other))
        cells.append("" if name == ours else _ratio(own, other))
    return cells


def _time(found: Reached) -> str:
    return f"{'>' if found.is_bound else ''}{found.median_s:.0f}"


def _ratio(own: Reached, other: Reached) -> str:
    """Return our time over another's, marked where one of them is only known to be longer."""
    if own.is_bound and other.is_bound:
        return "-"
    return f"{'>' if own.is_bound else '<' if other.is_bound else ''}{time_ratio(own, other):.3f}"


def _end_cells(runs: Sequence[Outcome]) -> list[str]:
    volume = statistics.median(run.hypervolume for run in runs)
    shortest_ms = statistics.median(run.shortest_p90_s for run in runs) * 1e3
    trials = statistics.median(run.trials for run in runs)
    shown = f"{shortest_ms:.3f}" if math.isfinite(shortest_ms) else "-"
    return [f"{volume:.4f}", shown, f"{trials:.0f}"]


def _faint(color: str) -> str:
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"
