"""Whether one measurement ranks artifacts as several do."""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Sequence

from scipy.stats import kendalltau

from benchmarks.fidelity_parts.artifacts import Net
from benchmarks.fidelity_parts.measure import P50, P90, Artifact, Measurement
from benchmarks.fidelity_parts.rig import Figures, Rig


def order(rig: Rig) -> Figures:
    """Rank nets 5 to 10 % apart by one measurement each, as a search does, and by several.

    The confirmed latency is the median over rounds, each in fresh processes and a random order.
    """
    nets = [Net(width=16, size=32, blocks=blocks) for blocks in rig.scale.order_blocks]
    artifacts = rig.build("order", [(net, "openvino", "fp32") for net in nets])
    rounds = []
    for number in range(1 + rig.scale.order_rounds):
        rig.say(f"order: {f'confirmation {number}' if number else 'search'}")
        rounds.append(_round(rig, artifacts, random.Random(number)))  # noqa: S311  an order
    searched_s, confirmed_s = searched_and_confirmed(rounds, P50)
    gaps = [after / before - 1 for before, after in itertools.pairwise(sorted(confirmed_s))]
    _show(rig, artifacts, searched_s, confirmed_s)
    return {
        "kendall_tau": _kendall_tau(searched_s, confirmed_s),
        "kendall_tau_p90": _kendall_tau(*searched_and_confirmed(rounds, P90)),
        "order_n_artifacts": len(artifacts),
        "order_neighbour_gap_min": min(gaps),
        "order_neighbour_gap_max": max(gaps),
    }


def searched_and_confirmed(
    rounds: Sequence[Sequence[Measurement]], name: str
) -> tuple[list[float], list[float]]:
    """Return the first round's latencies, and the medians of the later rounds'."""
    values_s = [[each.value(name) for each in measured] for measured in rounds]
    return values_s[0], [statistics.median(column) for column in zip(*values_s[1:], strict=True)]


def _round(rig: Rig, artifacts: Sequence[Artifact], chance: random.Random) -> list[Measurement]:
    """Measure all artifacts in a random order; the answers are in theirs."""
    places = chance.sample(range(len(artifacts)), len(artifacts))
    measured = {place: rig.measure(artifacts[place]) for place in places}
    return [measured[place] for place in range(len(artifacts))]


def _kendall_tau(searched_s: Sequence[float], confirmed_s: Sequence[float]) -> float:
    return float(kendalltau(searched_s, confirmed_s).statistic)


def _show(
    rig: Rig,
    artifacts: Sequence[Artifact],
    searched_s: Sequence[float],
    confirmed_s: Sequence[float],
) -> None:
    rows = [
        (artifact.label, f"{searched * 1e3:.3f}", f"{confirmed * 1e3:.3f}")
        for artifact, searched, confirmed in zip(artifacts, searched_s, confirmed_s, strict=True)
    ]
    rig.show("order", ["artifact", "searched p50 ms", "confirmed p50 ms"], rows)
