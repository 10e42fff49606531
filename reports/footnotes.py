"""What must be said below any list of numbers: what they are compared with, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from reports.cells import Cell, legend, number_text, title
from reports.outcomes import explanation
from reports.trust import trust
from search.records import Run


def missing_baseline(run: Run) -> str | None:
    """Say why nothing is compared, or None where the baseline has numbers."""
    if run.baseline is None:
        return "There is no baseline yet, so nothing is compared with it."
    if run.baseline.failure is not None:
        why = explanation(run, run.baseline)
        return f"The baseline has no numbers ({why}), so nothing is compared with it."
    return None


def footnotes(run: Run, cells: Sequence[Cell], *, is_empty: bool) -> list[str]:
    """Return what must stand below a front: its marks, its comparisons, and why it is empty."""
    found = [f"{mark}  {text}" for mark, text in legend(cells).items()]
    found.append(missing_baseline(run) or "0.50x  half of the baseline's value")
    metric = metric_footnote(run)
    if cells and metric:
        found.append(f"-0.010  {metric}")
    found += [] if is_empty else trust(run)
    return [*found, emptiness(run)] if is_empty else found


def metric_footnote(run: Run) -> str | None:
    """Say what a difference of -0.010 in the metric means, or None where none is shown."""
    facts = run.facts
    if facts.metric not in facts.objectives or facts.reference_metric is None:
        return None
    reference = number_text(facts.reference_metric)
    return f"{title(facts.metric)} lower than the fp32 model's on the host, {reference}"


def emptiness(run: Run) -> str:
    """Say why a front has no member."""
    if run.is_confirmed:
        return "No trial keeps every bound by its confirmed numbers."
    return "No trial is feasible yet." if run.trials else "No trial has finished yet."
