"""Plotly figures of a run, for notebooks; the report draws the same."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from reports.candidates import Candidate, candidates
from reports.history_drawing import hypervolume_drawing
from reports.looks import Drawing
from reports.pareto_drawing import pareto_drawing
from search.records import Run
from spaces.objectives import Objective


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
    found = candidates(run)
    drawing = pareto_drawing(run, found, _axis(run, x), _axis(run, y))
    for trace in drawing["data"]:
        trace["hovertext"] = [_hover_text(found[row]) for row in trace["customdata"]]
    return _figure(drawing)


def hypervolume_figure(run: Run) -> go.Figure:
    """Return the hypervolume of the first n trials over n, as `search.front` defines it."""
    return _figure(hypervolume_drawing(run))


def _hover_text(candidate: Candidate) -> str:
    """Return what pointing at a candidate shows, as Plotly's own markup."""
    heading, *lines = map(html.escape, candidate.lines)
    return "<br>".join([f"<b>{heading}</b>", *lines])


def _figure(drawing: Drawing) -> go.Figure:
    """Return a drawing on no ground of its own, as on the page."""
    return go.Figure(drawing).update_layout(template="none")


def _axis(run: Run, name: str) -> Objective:
    known = run.facts.known
    if name not in known:
        names = ", ".join(known)
        raise ValueError(f"an axis must be one of {names}, but got {name!r}.")
    return known[name]
