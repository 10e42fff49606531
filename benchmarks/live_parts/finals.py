"""The best of two searches, measured again by our bench: in turns, each time in a fresh process."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.fidelity_parts.measure import P90, Artifact, Timing, measure
from benchmarks.outcome import is_nearly_as_good
from evaluators.benchmark.attempts import ATTEMPTS
from search.records import Run, TrialRecord


def our_artifacts(run: Run, inputs: Path, count: int) -> list[Artifact]:
    """Return the fastest of our trials whose metric hardly drops."""
    metric = run.facts.metric.name
    good = [t.record for t in run.trials if is_nearly_as_good(t.record, metric)]
    good.sort(key=lambda record: record.quantities[P90].value or 0.0)
    return [_artifact(record, inputs) for record in good[:count]]


def shortest_p90_s(
    artifacts: Mapping[str, Sequence[Artifact]], timing: Timing, rounds: int, seed: int
) -> dict[str, float | None]:
    """Return the shortest p90 of each method: the median over the rounds, of its best artifact."""
    order = random.Random(seed)  # noqa: S311  an order, not a secret
    labels = [(name, place) for name, found in artifacts.items() for place in range(len(found))]
    seen: dict[tuple[str, int], list[float]] = {label: [] for label in labels}
    for _ in range(rounds):
        order.shuffle(labels)
        for name, place in labels:
            measurement = measure(artifacts[name][place], timing, ATTEMPTS)
            seen[name, place].append(measurement.value(P90))
    medians = {label: statistics.median(values) for label, values in seen.items()}
    return {
        name: min((m for (of, _), m in medians.items() if of == name), default=None)
        for name in artifacts
    }


def _artifact(record: TrialRecord, inputs: Path) -> Artifact:
    assert record.artifact is not None
    path, prefix = Path(record.artifact), f"{record.engine}."
    flags = {n.removeprefix(prefix): v for n, v in record.params.items() if n.startswith(prefix)}
    return Artifact(
        name="ours",
        engine=record.engine,
        precision=record.params["precision"],
        flags=flags,
        model=path.parent,
        folder=path.parent,
        file=path.name,
        inputs=inputs,
    )
