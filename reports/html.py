"""The report of a run: one page that needs nothing but itself, readable without JavaScript.

The first screen says what was measured on what, what must be known before believing it, and which
model to take. A content security policy keeps every request on the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from reports import sections
from reports.atomic_file import write_atomically
from reports.outcomes import has_numbers
from reports.plots import hypervolume_figure, pareto_figure
from search.front import hypervolume
from search.records import Run

# Images are those a reader saves a plot as.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def write_report(run: Run, path: Path) -> None:
    """Write the report of a run as it stands.

    Raises:
        OSError: If it can't be written; an older report is then still there.
    """
    write_atomically(path, _page(run))


def _page(run: Run) -> str:
    here = files("reports")
    style = here.joinpath("style.css").read_text(encoding="utf-8")
    draw = here.joinpath("draw.js").read_text(encoding="utf-8")
    name = sections.escaped(run.facts.name)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,">
<title>{name}: Pareto front</title>
<style>{style}</style>
</head>
<body>
{_body(run)}
<script>{get_plotlyjs()}</script>
<script>{draw}</script>
</body>
</html>
"""


def _body(run: Run) -> str:
    parts = [
        sections.heading(run),
        sections.notices(run),
        sections.recommendation(run),
        sections.search_facts(run),
        sections.front(run),
        *_plots(run),
        sections.without_numbers(run),
        sections.time_spent(run),
        sections.marks(run),
    ]
    return "\n".join(parts)


def _plots(run: Run) -> Iterator[str]:
    names = [objective.name for objective in run.facts.objectives]
    pairs = list(itertools.combinations(names, 2))
    if pairs and has_numbers(run):
        places = [_place(pareto_figure(run, x, y)) for x, y in pairs]
        yield sections.plots("Two objectives at a time", sections.PLOT_NOTE, places)
    if run.trials and hypervolume(run) is not None:
        place = _place(hypervolume_figure(run))
        yield sections.plots("How the front grew", sections.HYPERVOLUME_NOTE, [place])


def _place(figure: Figure) -> str:
    """Return the figure's place on the page, with its JSON where no text can end the script."""
    data = figure.to_json().replace("<", "\\u003c")
    return f'<div class="plot"><script type="application/json">{data}</script></div>'
