"""How often the interval of a first measurement holds what is measured later."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.fidelity_parts.measure import P50, P90, Artifact, Measurement, covers
from benchmarks.fidelity_parts.rig import Figures, Rig, share
from evaluators.measurement import Quantity
from evaluators.spread import Spreads, learn, with_prediction
from search.evaluation import BASELINE_PROCESSES


@dataclass(frozen=True, slots=True)
class Repeats:
    """One artifact: what the first measurement predicts, and what came later."""

    artifact: Artifact
    predicted: dict[str, Quantity]
    later: list[Measurement] = field(default_factory=list)

    def coverage(self, name: str) -> float:
        """Return the share of later measurements inside the interval."""
        return share(covers(self.predicted[name], each.value(name)) for each in self.later)

    def relative_width(self, name: str) -> float:
        """Return the interval's width as a share of the value."""
        low, value, high = _ends(self.predicted[name])
        return (high - low) / value


def coverage(rig: Rig) -> Figures:
    """Measure each artifact once, then again and again.

    As in a search, a few processes of the first one, its baseline there, tell beforehand how much
    processes differ. Repeats go round all artifacts, so that those of one are spread over the time.
    """
    artifacts = rig.build("coverage", rig.scale.covered)
    spreads = _learned(rig, artifacts[0])
    found = [_first(rig, artifact, spreads) for artifact in artifacts]
    for number in range(rig.scale.coverage_repeats):
        rig.say(f"coverage: repeat {number + 1} of {rig.scale.coverage_repeats}")
        for repeats in found:
            repeats.later.append(rig.measure(repeats.artifact))
    _show(rig, found)
    return {
        "coverage": statistics.mean(repeats.coverage(P50) for repeats in found),
        "coverage_p90": statistics.mean(repeats.coverage(P90) for repeats in found),
        "coverage_n_artifacts": len(found),
        "coverage_n_repeats": rig.scale.coverage_repeats,
        "coverage_relative_width_p50": statistics.median(r.relative_width(P50) for r in found),
        "coverage_relative_width_p90": statistics.median(r.relative_width(P90) for r in found),
    }


def _learned(rig: Rig, baseline: Artifact) -> Spreads:
    rig.say(f"coverage: {BASELINE_PROCESSES} processes of {baseline.label} as the baseline")
    repeats = [rig.measure(baseline) for _ in range(BASELINE_PROCESSES)]
    return learn({}, [each.quantities for each in repeats if not each.flags])


def _first(rig: Rig, artifact: Artifact, spreads: Spreads) -> Repeats:
    first = rig.measure(artifact)
    return Repeats(artifact, with_prediction(first.quantities, spreads))


def _show(rig: Rig, found: Sequence[Repeats]) -> None:
    rows = []
    for repeats in found:
        low_s, value_s, high_s = _ends(repeats.predicted[P50])
        later_s = [each.value(P50) for each in repeats.later]
        seconds = (value_s, low_s, high_s, min(later_s), max(later_s))
        rows.append(
            (
                repeats.artifact.label,
                *(f"{each * 1e3:.3f}" for each in seconds),
                f"{repeats.coverage(P50):.2f}",
                f"{repeats.coverage(P90):.2f}",
            )
        )
    columns = [
        *("artifact", "p50 ms", "predicted from", "to", "later from", "to"),
        *("inside", "p90 inside"),
    ]
    rig.show("coverage of the first measurement's interval", columns, rows)


def _ends(quantity: Quantity) -> tuple[float, float, float]:
    assert quantity.low is not None
    assert quantity.value is not None
    assert quantity.high is not None
    return quantity.low, quantity.value, quantity.high
