"""How near the front comes to what its engines were seen to reach: a bar for each of them."""

from __future__ import annotations

from typing import Any

from evaluators.measurement import Quantity
from reports.cells import DISTURBED, UNAVAILABLE, mark_of, number_text
from reports.markup import escaped, scrollable
from search.reached import Reached, reached
from search.records import Run

_GIGA = 1e9
_NOTE = (
    "For each engine and precision on the front, the member that does most multiply-accumulates a "
    "second, beside the most that the same engine was seen to do on the same device: with a net "
    "that is nothing but convolutions, in fresh processes. No datasheet was asked. A small share "
    "says that time goes elsewhere than into arithmetic: into memory, starting ops, layers too "
    "narrow for the kernels, or threads that weren't used."
)


def ceiling(run: Run) -> str:
    """Return the section, or nothing where there is no front."""
    rows = "".join(map(_row, reached(run)))
    if not rows:
        return ""
    table = f"""<table><thead><tr><th>engine</th><th class="number">trial</th>
<th class="number">it reaches<small>GMAC/s</small></th>
<th class="number">measured peak<small>GMAC/s</small></th><th class="number">share</th>
<th>share as a bar</th><th>peak measured with</th></tr></thead>
<tbody>{rows}</tbody></table>"""
    section = scrollable("Shares of the ceiling", table)
    return f'<section><h2>How near the ceiling</h2><p class="faint">{_NOTE}</p>{section}</section>'


def ceiling_json(run: Run) -> list[dict[str, Any]]:
    """Return the same as plain data, in multiply-accumulates a second.

    Example:
        One of the list: ``{"engine": "openvino", "precision": "int8", "trial": 7, "macs": 401408,
        "macs_per_s": {"value": 9.1e9, "interval": [8.9e9, 9.2e9], "provenance": "measured",
        "method": "..."}, "peak_macs_per_s": {"value": 8.5e11, ..., "flags": []}, "share_of_peak":
        0.0107}``. ``value`` and ``interval`` are None where the provenance says unavailable.
    """
    return [
        {
            "engine": found.peak.engine,
            "precision": found.peak.precision,
            "trial": found.trial.number,
            "macs": found.macs,
            "macs_per_s": _json(found.macs_per_s),
            "peak_macs_per_s": {**_json(found.peak.macs_per_s), "flags": list(found.peak.flags)},
            "share_of_peak": found.share,
        }
        for found in reached(run)
    ]


def _json(quantity: Quantity) -> dict[str, Any]:
    is_known = quantity.low is not None and quantity.high is not None
    return {
        "value": quantity.value,
        "interval": [quantity.low, quantity.high] if is_known else None,
        "provenance": quantity.provenance,
        "method": quantity.method,
    }


def _row(found: Reached) -> str:
    peak, share = found.peak, found.share
    text = UNAVAILABLE if share is None else f"{number_text(100 * share)} %{_marks(found)}"
    width = 0.0 if share is None else min(100.0, 100 * share)
    return (
        f"<tr><td>{escaped(peak.engine)}<small>{escaped(peak.precision)}</small></td>"
        f'<td class="number">{found.trial.number}</td>'
        f"{_number(found.macs_per_s, is_disturbed=bool(found.trial.record.flags))}"
        f"{_number(peak.macs_per_s, is_disturbed=bool(peak.flags))}"
        f'<td class="number">{text}</td>'
        f'<td class="bar"><div style="width:{width:.1f}%"></div></td>'
        f'<td class="reason">{escaped(_how(found))}</td></tr>'
    )


def _marks(found: Reached) -> str:
    """Return the marks of both numbers that a share is made of."""
    marks = [mark_of(q.provenance) for q in (found.macs_per_s, found.peak.macs_per_s)]
    marks += [DISTURBED] if found.trial.record.flags or found.peak.flags else []
    return "".join(dict.fromkeys(marks))


def _number(quantity: Quantity, *, is_disturbed: bool) -> str:
    mark, how = mark_of(quantity.provenance), escaped(quantity.provenance)
    disturbed = DISTURBED if is_disturbed else ""
    value = quantity.value
    text = mark if value is None else f"{number_text(value / _GIGA)}{mark}{disturbed}"
    return f'<td class="number" title="{how}">{text}</td>'


def _how(found: Reached) -> str:
    """Return what the peak was measured with, or why one of the numbers isn't there."""
    numbers = (found.macs_per_s, found.peak.macs_per_s)
    missing = [quantity.provenance for quantity in numbers if quantity.value is None]
    return "; ".join(missing) or found.peak.macs_per_s.method
