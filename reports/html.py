"""The report of a run: one page that needs nothing but itself, readable without JavaScript.

The first screen says what was measured on what, what must be known before believing it, and which
model to take. A content security policy keeps every request on the page and runs only the page's
own scripts, by their hashes. Plotly's parallel axes make their drawing functions from text, so
`eval` stays allowed; what is given to it comes from Plotly alone.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from plotly.offline import get_plotlyjs

from reports import explore, findings, first_screen, sections
from reports.atomic_file import write_atomically
from reports.candidates import candidates
from reports.ceiling import ceiling
from reports.knobs import knobs
from reports.markup import escaped, json_script
from reports.page_data import page_data
from search.records import Run

_SCRIPTS = ("link.js", "draw.js")


def write_report(run: Run, path: Path) -> None:
    """Write the report of a run as it stands, for the folder that the report lies in.

    Raises:
        OSError: If it can't be written; an older report is then still there.
    """
    write_atomically(path, _page(run, path.parent.absolute()))


def _page(run: Run, folder: Path) -> str:
    plotly, own, policy = _scripts()
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{escaped(run.facts.name)}: Pareto front</title>
<style>{_text("style.css")}</style>
</head>
<body>
<main>
{_body(run, folder)}
</main>
<p id="said" role="status" aria-live="polite"></p>
<script>{plotly}</script>
<script>{own}</script>
</body>
</html>
"""


def _body(run: Run, folder: Path) -> str:
    found, varied = candidates(run), knobs(run)
    parts = [
        first_screen.heading(run),
        first_screen.notices(run),
        first_screen.recommendation(run, folder),
        sections.search_facts(run),
        explore.budgets(run),
        explore.pairs(run, found),
        explore.parallel_axes(run, found, varied),
        sections.front(run, folder),
        ceiling(run),
        findings.knob_section(run, varied),
        explore.growth(run, found),
        findings.validity(run),
        sections.without_numbers(run),
        sections.time_spent(run),
        sections.marks(run),
        json_script(page_data(run, found, folder), "candidates"),
    ]
    return "\n".join(filter(None, parts))


@cache
def _scripts() -> tuple[str, str, str]:
    """Return Plotly, our own scripts, and the policy that lets these two run and nothing else."""
    own = "\n".join(map(_text, _SCRIPTS))
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in (get_plotlyjs(), own))
    # Images are those a reader saves a plot as.
    policy = (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return get_plotlyjs(), own, policy


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(name: str) -> str:
    return files("reports").joinpath(name).read_text(encoding="utf-8")
