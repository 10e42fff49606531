"""What the front reaches of what its engines can: multiply-accumulates a second over the peak's."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.measurement import Quantity, unavailable
from evaluators.peak import Peak, macs_per_s
from search.front import pareto_front
from search.records import NumberedRecord, Run, TrialRecord

_LATENCY = "latency_p50_s"
"""A peak is a median, too."""
_NO_PEAK = "not measured in this run; python -m search confirm --run DIR measures it"


@dataclass(frozen=True, slots=True)
class Reached:
    """What the front does with one engine at one precision, beside the engine's peak.

    Of several members it is the one that does most multiply-accumulates a second.

    Attributes:
        macs: Multiply-accumulates of one query; None where they aren't known.
        macs_per_s: What the member reaches, by its median latency.
        peak: The most that the engine was seen to reach.
    """

    trial: NumberedRecord
    macs: int | None
    macs_per_s: Quantity
    peak: Peak

    @property
    def share(self) -> float | None:
        """Return which part of the peak is reached, or None where one of the two isn't known."""
        value, peak = self.macs_per_s.value, self.peak.macs_per_s.value
        return None if value is None or not peak else value / peak


def reached(run: Run) -> list[Reached]:
    """Return what is reached for each engine and precision on the front, in the front's order."""
    peaks = {(peak.engine, peak.precision): peak for peak in run.peaks}
    most: dict[tuple[str, str], Reached] = {}
    for trial in pareto_front(run):
        pair = (trial.record.engine, str(trial.record.params.get("precision", "")))
        peak = peaks.get(pair) or Peak(*pair, unavailable("1/s", _NO_PEAK))
        found = Reached(trial, macs_of(trial.record), _macs_per_s(trial.record), peak)
        before = most.setdefault(pair, found)
        if (found.macs_per_s.value or 0.0) > (before.macs_per_s.value or 0.0):
            most[pair] = found
    return list(most.values())


def macs_of(record: TrialRecord) -> int | None:
    """Return the multiply-accumulates of one query, as the stages that made the model counted them.

    They are those of convolutions and matrix products. None where nothing counted them, or there
    are none.
    """
    pruning = record.facts.get("compress", {}).get("pruning", {})
    exported = record.facts.get("export", {})
    macs: int | None = pruning.get("macs_after") or exported.get("macs")
    return macs or None


def _macs_per_s(record: TrialRecord) -> Quantity:
    macs, latency = macs_of(record), record.quantities.get(_LATENCY)
    if macs is None:
        return unavailable("1/s", "the model's multiply-accumulates aren't known")
    if latency is None:
        return unavailable("1/s", "the median latency isn't known")
    return macs_per_s(macs, latency, "multiply-accumulates of the model over its median latency")
