"""The linked part of the report: budgets, what is left of them, and the figures they act on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from reports.candidates import Candidate
from reports.cells import title
from reports.history_drawing import canary_drawing, hypervolume_drawing, outcomes_drawing
from reports.knob_drawing import MOST_AXES, effect_drawing, parallel_drawing
from reports.knobs import Knob
from reports.looks import Drawing
from reports.markup import escaped, json_script, scrollable
from reports.outcomes import has_numbers
from reports.page_data import budget_label
from reports.pareto_drawing import pareto_drawing
from search.front import hypervolume
from search.records import Run

_NO_SCRIPT = "<noscript><p>Plots need JavaScript.</p></noscript>"
_PAIRS_NOTE = (
    "The front is that of all objectives together, so a member may look dominated in one plot. "
    "Circles were measured on the device named, diamonds on a stand-in; a hollow marker involves "
    "an estimate. Bars are 95 % intervals. A dashed line is a constraint, and no model may lie on "
    "the shaded side of it; a tick at an edge is a trial of which only this number is known. Point "
    "at a marker for its parameters; click it to choose it and copy the command that exports it."
)
_PARALLEL_NOTE = (
    "Each line is a measured trial: the parameters that explain most, then the objectives. Drag "
    "along an axis to keep only what lies there, in all plots; click the axis to end that. Orange "
    "is the front, blue is within the budgets, grey isn't."
)
_DRIFT_NOTE = (
    "The baseline, timed again between trials. Beyond the dashed lines the machine counts as "
    "another one, and what was measured just before and after is marked !."
)
_GROWTH_NOTE = (
    "The volume that the trials so far dominate, seen from the baseline: costs as log ratios to "
    "it, the metric on its own scale. It grows when the front does. Beside it, what became of each "
    "trial."
)


def budgets(run: Run) -> str:
    """Return a slider for each objective, and the place that shows the candidate chosen."""
    if not run.trials or not has_numbers(run):
        return ""
    sliders = "".join(
        f'<div class="budget"><label for="budget-{n}">{escaped(budget_label(run, objective))}'
        f'</label><output for="budget-{n}" id="limit-{n}"></output>'
        f'<input type="range" id="budget-{n}" min="0" value="0"></div>'
        for n, objective in enumerate(run.facts.objectives)
    )
    return f"""<section class="budgets needs-script" aria-labelledby="budgets-title">
<h2 id="budgets-title">What is left within other budgets</h2>
<div class="columns"><div><p class="faint">Each starts at the constraint of the space file, or at
what lets everything through; beyond a constraint lie trials that break it. In brackets: over the
baseline.</p>{sliders}
<p><button type="button" id="reset">Reset budgets and selections</button></p>
<p id="left" role="status" aria-live="polite"></p></div>
<div class="chosen" role="group" aria-labelledby="chosen-title"><h3 id="chosen-title"></h3>
<ul id="chosen-lines"></ul><p class="command"><code id="chosen-command"></code>
<button type="button" id="chosen-copy">Copy</button></p>
<p><label for="trial-number">Show trial</label>
<input type="number" id="trial-number" min="0" inputmode="numeric"></p></div></div></section>"""


def pairs(run: Run, found: Sequence[Candidate]) -> str:
    """Return a figure for each pair of objectives, or nothing before anything was measured."""
    axes = list(itertools.combinations(run.facts.objectives, 2))
    if not axes or not has_numbers(run):
        return ""
    places = [
        _place(
            pareto_drawing(run, found, x, y),
            f"{title(x)} against {title(y)}",
            axes=(x.name, y.name),
        )
        for x, y in axes
    ]
    return _section("Two objectives at a time", _PAIRS_NOTE, places)


def parallel_axes(run: Run, found: Sequence[Candidate], knobs: Sequence[Knob]) -> str:
    """Return all parameters that matter and all objectives on parallel axes."""
    figure = parallel_drawing(run, found, knobs, MOST_AXES)
    if figure is None:
        return ""
    place = _place(figure, "parameters and objectives on parallel axes", kind="wide")
    return (
        f'<section><h2>All at once</h2><p class="faint">{_PARALLEL_NOTE}</p>{_NO_SCRIPT}'
        f"{scrollable('All at once', place)}</section>"
    )


def growth(run: Run, found: Sequence[Candidate]) -> str:
    """Return how the front grew, and what became of each trial."""
    if not run.trials:
        return ""
    places = [_place(outcomes_drawing(found), "outcome of each trial")]
    if hypervolume(run) is not None:
        growing = _place(hypervolume_drawing(run), "hypervolume over the finished trials")
        places.insert(0, growing)
    return _section("How the search went", _GROWTH_NOTE, places)


def effects(run: Run, knob: Knob) -> str:
    """Return what one parameter does to each objective."""
    places = [
        _place(effect_drawing(run, knob, o), f"{title(o)} over {knob.name}", kind="small")
        for o in run.facts.objectives
        if knob.effects[o.name]
    ]
    return f'<div class="plots">{"".join(places)}</div>'


def canary(run: Run) -> str:
    """Return how the machine drifted, or that nobody looked."""
    if not run.canary:
        return "<p>The baseline wasn't timed again, so nothing is known of the machine's drift.</p>"
    place = _place(canary_drawing(run), "drift of the machine")
    return f'<p class="faint">{_DRIFT_NOTE}</p><div class="plots">{place}</div>'


def _section(name: str, note: str, places: Sequence[str]) -> str:
    text = f'<p class="faint">{note}</p>{_NO_SCRIPT}'
    return f'<section><h2>{name}</h2>{text}<div class="plots">{"".join(places)}</div></section>'


def _place(figure: Drawing, name: str, *, axes: Sequence[str] = (), kind: str = "") -> str:
    """Return a figure's place on the page, with its JSON, which the script draws once in view."""
    named = f' role="figure" aria-label="Plot: {escaped(name)}"'
    ends = "".join(f' data-{letter}="{escaped(a)}"' for letter, a in zip("xy", axes, strict=False))
    return f'<div class="plot {kind}"{named}{ends}>{json_script(figure)}</div>'
