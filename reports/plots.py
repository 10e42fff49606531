"""Plotly figures of a run, for notebooks; the report draws the same."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from reports.candidates import Candidate, candidates
from reports.history_drawing import canary_drawing, hypervolume_drawing
from reports.knob_drawing import MOST_AXES, ON_THE_FRONT, effect_drawing, parallel_drawing
from reports.knobs import knobs
from reports.looks import Drawing, drawing, say
from reports.outcomes import FRONT
from reports.pareto_drawing import pareto_drawing
from search.records import Run
from spaces.errors import one_of
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
    figure = pareto_drawing(run, found, _axis(run, x), _axis(run, y))
    for trace in figure["data"]:
        trace["hovertext"] = [_hover_text(found[row]) for row in trace["customdata"]]
    return _figure(figure)


def parallel_figure(run: Run) -> go.Figure:
    """Return each measured trial as a line over the parameters that matter most and all objectives.

    The front is orange.
    """
    found = candidates(run)
    figure = parallel_drawing(run, found, knobs(run), MOST_AXES)
    if figure is None:
        figure = drawing()
        say(figure, "It takes two measured trials.")
        return _figure(figure)
    line = figure["data"][0]["line"]
    is_member = [found[row].outcome == FRONT for row in figure.pop("rows")]
    line["color"] = [
        ON_THE_FRONT if on_front else other
        for on_front, other in zip(is_member, line["color"], strict=True)
    ]
    return _figure(figure)


def effect_figure(run: Run, parameter: str, objective: str) -> go.Figure:
    """Return the median of an objective by the values of a parameter, and where most trials lie.

    Raises:
        ValueError: If the objective is unknown, or the parameter didn't vary.
    """
    varied = {knob.name: knob for knob in knobs(run)}
    if parameter not in varied:
        names = one_of(list(varied)) if varied else "none of this run"
        raise ValueError(
            "a parameter must be one that took several values among what was measured, which is "
            f"{names}, but got {parameter!r}."
        )
    axes = {axis.name: axis for axis in run.facts.objectives}
    if objective not in axes:
        names = one_of(list(axes))
        raise ValueError(f"an objective must be one of the run's, {names}, but got {objective!r}.")
    return _figure(effect_drawing(run, varied[parameter], axes[objective]))


def hypervolume_figure(run: Run) -> go.Figure:
    """Return the hypervolume of the first n trials over n, as `search.front` defines it."""
    return _figure(hypervolume_drawing(run))


def drift_figure(run: Run) -> go.Figure:
    """Return the baseline's time, measured again between trials, over that at the beginning."""
    return _figure(canary_drawing(run))


def _hover_text(candidate: Candidate) -> str:
    """Return what pointing at a candidate shows, as Plotly's own markup."""
    heading, *lines = map(html.escape, candidate.lines)
    return "<br>".join([f"<b>{heading}</b>", *lines])


def _figure(figure: Drawing) -> go.Figure:
    """Return a drawing on no ground of its own, as on the page."""
    return go.Figure(figure).update_layout(template="none")


def _axis(run: Run, name: str) -> Objective:
    known = run.facts.known
    if name not in known:
        names = ", ".join(known)
        raise ValueError(f"an axis must be one of {names}, but got {name!r}.")
    return known[name]
