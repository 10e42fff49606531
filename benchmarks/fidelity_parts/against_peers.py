"""Our latencies against those of the engines' own benchmark tools."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.fidelity_parts.artifacts import child_environment
from benchmarks.fidelity_parts.measure import DEVICE, LIMITS, P50, Artifact
from benchmarks.fidelity_parts.peers import benchmark_app_p50_s, litert_benchmark_p50_s
from benchmarks.fidelity_parts.rig import Figures, Rig
from evaluators.child_process import ChildProcess

LONG_S = 1e-3
"""From here on a ratio is asked for; below, the difference."""
_FEWEST_RUNS = 64
_CALL_COSTS = "benchmarks.fidelity_parts.call_costs"

Peer = Callable[[Artifact, Sequence[int], int], float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One artifact, measured in turns: seconds of each round.

    Attributes:
        costs_s: Steps of our call that the other tool doesn't time; of short artifacts only.
    """

    artifact: Artifact
    ours_s: list[float]
    theirs_s: list[float]
    costs_s: dict[str, float] = field(default_factory=dict)

    @property
    def is_long(self) -> bool:
        """Say whether it takes 1 ms or longer, by their own figures."""
        return statistics.median(self.theirs_s) >= LONG_S

    @property
    def ratio(self) -> float:
        """Return ours over theirs, median over rounds."""
        pairs = zip(self.ours_s, self.theirs_s, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    @property
    def difference_s(self) -> float:
        """Return ours less theirs, median over rounds."""
        pairs = zip(self.ours_s, self.theirs_s, strict=True)
        return statistics.median(ours - theirs for ours, theirs in pairs)


def openvino(rig: Rig) -> Figures:
    """Measure with ours and OpenVINO's ``benchmark_app`` in turns."""
    return _figures("openvino", _compare_all(rig, "openvino", benchmark_app_p50_s), rig)


def litert(rig: Rig) -> Figures:
    """Measure with ours and ``litert-benchmark`` in turns."""
    return _figures("litert", _compare_all(rig, "litert", litert_benchmark_p50_s), rig)


def _compare_all(rig: Rig, engine: str, peer: Peer) -> list[Comparison]:
    scale = rig.scale
    chosen = [(net, engine, each) for net in scale.peer_nets for each in scale.peer_precisions]
    artifacts = rig.build(engine, chosen)
    compared = []
    for number, artifact in enumerate(artifacts, start=1):
        rig.say(f"{engine}: {artifact.label}, {number} of {len(artifacts)}")
        compared.append(_compare(rig, artifact, peer))
    return compared


def _compare(rig: Rig, artifact: Artifact, peer: Peer) -> Comparison:
    found = Comparison(artifact, [], [])
    for _ in range(rig.scale.peer_rounds):
        ours = rig.measure(artifact)
        runs = max(_FEWEST_RUNS, math.ceil(rig.scale.peer_duration_s / ours.value(P50)))
        found.ours_s.append(ours.value(P50))
        found.theirs_s.append(peer(artifact, ours.cpus, runs))
    if not found.is_long:
        found.costs_s.update(_call_costs(artifact, ours.cpus))
    return found


def _call_costs(artifact: Artifact, cpus: Sequence[int]) -> dict[str, float]:
    with DEVICE.quiet(), ChildProcess(_CALL_COSTS, LIMITS, child_environment()) as child:
        return child.request({**artifact.job({}), "cpus": list(cpus)}).body


def _figures(name: str, compared: list[Comparison], rig: Rig) -> Figures:
    long = [each for each in compared if each.is_long]
    short = [each for each in compared if not each.is_long]
    _show_long(name, long, rig)
    _show_short(name, short, rig)
    ratios = [each.ratio for each in long]
    return {
        f"{name}_p50_ratio": _median(ratios),
        f"{name}_p50_ratio_min": min(ratios, default=None),
        f"{name}_p50_ratio_max": max(ratios, default=None),
        f"{name}_n_from_1ms": len(long),
        f"{name}_n_below_1ms": len(short),
        f"{name}_below_1ms_difference_us": _median([each.difference_s * 1e6 for each in short]),
        f"{name}_below_1ms_explained_us": _median(
            [sum(each.costs_s.values()) * 1e6 for each in short]
        ),
    }


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _show_long(name: str, compared: list[Comparison], rig: Rig) -> None:
    rows = [
        (
            each.artifact.label,
            f"{statistics.median(each.ours_s) * 1e3:.3f}",
            f"{statistics.median(each.theirs_s) * 1e3:.3f}",
            f"{each.ratio:.3f}",
        )
        for each in compared
    ]
    rig.show(f"{name}: 1 ms or longer", ["artifact", "ours ms", "theirs ms", "ratio"], rows)


def _show_short(name: str, compared: list[Comparison], rig: Rig) -> None:
    steps = list(compared[0].costs_s) if compared else []
    rows = [
        (
            each.artifact.label,
            f"{statistics.median(each.ours_s) * 1e6:.1f}",
            f"{statistics.median(each.theirs_s) * 1e6:.1f}",
            f"{each.difference_s * 1e6:.1f}",
            *(f"{cost_s * 1e6:.1f}" for cost_s in each.costs_s.values()),
        )
        for each in compared
    ]
    columns = [
        "artifact",
        "ours us",
        "theirs us",
        "difference us",
        *(f"{step} us" for step in steps),
    ]
    rig.show(f"{name}: below 1 ms, and what the difference is made of", columns, rows)
