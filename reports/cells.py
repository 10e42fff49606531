"""One number as people read it: rounded, marked by where it comes from, beside what it replaces.

=====  ============================================================
mark   the number is
=====  ============================================================
       measured on the device of the space file
``*``  measured on a stand-in
``~``  estimated
``!``  measured while something disturbed: other work, throttling, drift
``-``  unavailable; there is no number
=====  ============================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from evaluators.measurement import Quantity
from search.records import Run, TrialRecord
from spaces.objectives import Objective

STAND_IN, ESTIMATED, UNAVAILABLE, DISTURBED = "*", "~", "-", "!"
MARK_WORDS = {
    "": "measured",
    STAND_IN: "stand-in",
    ESTIMATED: "estimated",
    UNAVAILABLE: "unavailable",
}
_PARAMS_WITH_A_COLUMN = {"engine", "precision", "sparsity", "distillation.epochs"}
_SIGNIFICANT_DIGITS = 3
_UNITS_OF_TIME_AND_POWER = {"s", "1/s", "W", "J"}
"""What other work on the machine changes; answers, sizes and memory stay what they are."""
_SMALLEST_PLAIN = 1e-4


@dataclass(frozen=True, slots=True)
class Cell:
    """One objective of one candidate.

    Attributes:
        value: Rounded, without its unit; empty where unavailable.
        mark: See the module docstring.
        is_disturbed: True where the mark ``!`` joins it.
        comparison: ``0.36x`` of the baseline, or for the metric the difference from the float32
            model on the host; empty where there is nothing to compare with.
        interval: ``0.180 to 0.185``; empty where none is known.
        provenance: As recorded.
    """

    value: str
    mark: str
    comparison: str
    interval: str
    provenance: str
    is_disturbed: bool = False

    @property
    def marked(self) -> str:
        """Return the value with its marks."""
        return f"{self.value}{self.mark}{DISTURBED if self.is_disturbed else ''}"


def cell(run: Run, record: TrialRecord, objective: Objective) -> Cell:
    """Return one objective of one candidate."""
    quantity = record.quantities.get(objective.si_name)
    if quantity is None or quantity.value is None:
        why = "unavailable: not measured" if quantity is None else quantity.provenance
        return Cell("", UNAVAILABLE, "", "", why)
    value = objective.shown_from_si(quantity.value)
    return Cell(
        number_text(value),
        mark_of(quantity.provenance),
        _comparison(run, value, objective),
        interval_text(shown_interval(quantity, objective)),
        quantity.provenance,
        is_disturbed(record, quantity),
    )


def shown_axes(run: Run, records: Iterable[TrialRecord]) -> tuple[Objective, ...]:
    """Return the columns of a front: its objectives and, once measured, the test split's metric."""
    metric = run.facts.metric
    name = f"test_{metric.si_name}"
    test = replace(metric, name="test", si_name=name)
    has_test = any(name in record.quantities for record in records)
    return (*run.facts.objectives, test) if has_test else run.facts.objectives


def marks_of(record: TrialRecord, objective: Objective) -> str:
    """Return the marks of a number that is there."""
    quantity = record.quantities[objective.si_name]
    disturbed = DISTURBED if is_disturbed(record, quantity) else ""
    return mark_of(quantity.provenance) + disturbed


def is_disturbed(record: TrialRecord, quantity: Quantity) -> bool:
    """Say whether something disturbed that changes a number of this kind."""
    return bool(record.flags) and quantity.unit in _UNITS_OF_TIME_AND_POWER


def mark_of(provenance: str) -> str:
    """Return the mark of a provenance as `evaluators.measurement` words it."""
    kind, _, detail = provenance.partition(":")
    if kind == "measured":
        return STAND_IN if detail else ""
    return ESTIMATED if kind == "estimated" else UNAVAILABLE


def kind_words(quantities: Iterable[Quantity | None]) -> str:
    """Return what a whole axis says of numbers that aren't all measurements on the device."""
    marks = {mark_of(q.provenance) for q in quantities if q is not None and q.value is not None}
    return " (estimated)" if ESTIMATED in marks else " (stand-in)" if STAND_IN in marks else ""


def legend(cells: Iterable[Cell]) -> dict[str, str]:
    """Return what each mark that occurs means, in the words of the records."""
    meanings: dict[str, dict[str, None]] = {}
    for found in cells:
        if found.mark:
            detail = found.provenance.partition(":")[2].strip()
            meanings.setdefault(found.mark, {})[detail] = None
    order = [mark for mark in (STAND_IN, ESTIMATED, UNAVAILABLE) if mark in meanings]
    return {mark: f"{MARK_WORDS[mark]}: {'; '.join(meanings[mark])}" for mark in order}


def ratio_to_baseline(run: Run, value: float, objective: Objective) -> float | None:
    """Return a shown value over the baseline's, or None where a ratio says nothing."""
    before = None if run.baseline is None else run.baseline.shown(objective)
    return None if before is None or before <= 0 or value <= 0 else value / before


def difference_from_reference(run: Run, value: float) -> float | None:
    """Return a value of the metric minus that of the float32 model on the host."""
    reference = run.facts.reference_metric
    return None if reference is None else value - reference


def shown_interval(quantity: Quantity, objective: Objective) -> list[float] | None:
    """Return a 95 % interval as ``[low, high]`` in the unit people see, or None."""
    if quantity.low is None or quantity.high is None:
        return None
    return [objective.shown_from_si(quantity.low), objective.shown_from_si(quantity.high)]


def shown_objectives(run: Run, quantities: Mapping[str, Quantity]) -> dict[str, Objective]:
    """Return SI name -> objective of everything that was measured, engines' own figures too."""
    known = {objective.si_name: objective for objective in run.facts.known.values()}
    return {name: known.get(name) or _as_recorded(name, q) for name, q in quantities.items()}


def title(objective: Objective) -> str:
    """Return an objective's name in words and without its unit: ``latency p90``."""
    ending = {"/s": "_per_s"}.get(objective.unit, f"_{objective.unit.lower()}")
    name = objective.name.removesuffix(ending) if objective.unit else objective.name
    return printable(name.replace("_", " "))


def number_text(value: float) -> str:
    """Return a number with three significant digits, or all of those before the point."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and abs(value) < _SMALLEST_PLAIN:
        return f"{value:.{_SIGNIFICANT_DIGITS - 1}e}"
    return f"{value:.{_decimals(value)}f}"


def ratio_text(ratio: float) -> str:
    """Return a ratio to the baseline: ``0.36x``."""
    return f"{ratio:.2g}x" if ratio < 0.1 else f"{ratio:.{2 if ratio < 10 else 0}f}x"


def interval_text(interval: list[float] | None) -> str:
    """Return both ends of an interval, or nothing."""
    if interval is None:
        return ""
    low, high = interval
    decimals = _decimals(low)
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def precision_text(record: TrialRecord) -> str:
    """Return the precision; of an interrupted trial, Optuna knows it by ``<engine>.precision``."""
    names = (name for name in record.params if name.split(".")[-1] == "precision")
    return param_text(record.params.get(next(names, ""), ""))


def epochs_text(record: TrialRecord) -> str:
    """Return the epochs of fine-tuning, or nothing where that was never decided."""
    return param_text(record.params.get("distillation.epochs", ""))


def sparsity_text(record: TrialRecord) -> str:
    """Return the sparsity; where it goes by groups of layers, the least and the most."""
    values = [v for n, v in record.params.items() if n == "sparsity" or n.startswith("sparsity.")]
    if not values:
        return ""
    ends = dict.fromkeys((f"{min(values):.2f}", f"{max(values):.2f}"))
    return " to ".join(ends)


def other_params(record: TrialRecord) -> dict[str, str]:
    """Return the parameters that have no column of their own."""
    return {
        printable(name): param_text(value)
        for name, value in record.params.items()
        if name not in _PARAMS_WITH_A_COLUMN and not name.startswith("sparsity.")
    }


def param_text(value: object) -> str:
    """Return a parameter's value; a sampled float without digits nobody can use."""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return printable(text)


def printable(text: str) -> str:
    """Return text without line breaks and terminal controls, which a workload's errors may hold."""
    return "".join(c if c.isprintable() else " " for c in text)


def _comparison(run: Run, value: float, objective: Objective) -> str:
    if objective == run.facts.metric:
        difference = difference_from_reference(run, value)
        return "" if difference is None else f"{difference:+.{_decimals(value)}f}"
    if objective not in run.facts.objectives:
        return ""
    ratio = ratio_to_baseline(run, value, objective)
    return "" if ratio is None else ratio_text(ratio)


def _decimals(value: float) -> int:
    if value == 0:
        return _SIGNIFICANT_DIGITS
    return max(0, _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))


def _as_recorded(si_name: str, quantity: Quantity) -> Objective:
    unit = "" if quantity.unit == "1" else quantity.unit
    return Objective(si_name, "minimize", unit, si_name)
