"""Figures of a comparison: how long each method took, and ours over the others'."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.outcome import Outcome

FRACTIONS = (0.95, 0.98)
"""Of the best hypervolume that any method reached."""
OF_THEIR_END = 0.98
"""Of what a method's own search had when the budget was spent: it always gets there."""

Figures = dict[str, float | int | None]
"""Name with its unit -> value; None where there was nothing to compute it from."""
Outcomes = Mapping[str, Sequence[Outcome]]
"""Method -> its searches, one a seed, in the same order of seeds for every method."""


@dataclass(frozen=True, slots=True)
class Reached:
    """When the searches of one method reached a hypervolume.

    Attributes:
        times_s: One a seed; the whole budget where a search never got there.
        missed: In how many searches that is so.
    """

    times_s: tuple[float, ...]
    missed: int

    @property
    def median_s(self) -> float:
        """Return the median over the seeds."""
        return statistics.median(self.times_s)

    @property
    def is_bound(self) -> bool:
        """Say whether the median is the budget, and only a lower bound of the truth."""
        return 2 * self.missed >= len(self.times_s)


def best_hypervolume(outcomes: Outcomes) -> float:
    """Return the best that any search of any method reached."""
    return max(outcome.hypervolume for found in outcomes.values() for outcome in found)


def reached(outcomes: Sequence[Outcome], wanted: float, budget_s: float) -> Reached:
    """Return when one method's searches reached a hypervolume, within the budget."""
    return _reached_each(outcomes, [wanted] * len(outcomes), budget_s)


def time_ratio(ours: Reached, theirs: Reached) -> float:
    """Return the median over the seeds of our time over theirs."""
    pairs = zip(ours.times_s, theirs.times_s, strict=True)
    return statistics.median(own_s / other_s for own_s, other_s in pairs)


def reached_their_end(
    outcomes: Sequence[Outcome], theirs: Sequence[Outcome], budget_s: float
) -> Reached:
    """Return when each search reached `OF_THEIR_END` of what another method's had in the end."""
    wanted = [OF_THEIR_END * other.hypervolume_at(budget_s) for other in theirs]
    return _reached_each(outcomes, wanted, budget_s)


def figures_of(outcomes: Outcomes, ours: str, budget_s: float) -> Figures:
    """Return flat figures: names with their unit, values."""
    best = best_hypervolume(outcomes)
    found: Figures = {"best_hypervolume": best, "budget_s": budget_s}
    for fraction in FRACTIONS:
        percent = f"{fraction * 100:.0f}"
        times = {name: reached(runs, fraction * best, budget_s) for name, runs in outcomes.items()}
        for name, each in times.items():
            found[f"time_to_{percent}_s_{name}"] = each.median_s
            found[f"missed_{percent}_{name}"] = each.missed
            if name != ours:
                found[f"time_to_{percent}_ratio_{name}"] = time_ratio(times[ours], each)
    percent = f"{OF_THEIR_END * 100:.0f}"
    for name, runs in outcomes.items():
        own, other = (reached_their_end(outcomes[n], runs, budget_s) for n in (ours, name))
        found[f"time_to_{percent}_of_end_s_{name}"] = other.median_s
        if name != ours:
            found[f"time_to_{percent}_of_end_ratio_{name}"] = time_ratio(own, other)
            found[f"missed_{percent}_of_end_{name}"] = own.missed
        shortest_s = statistics.median(outcome.shortest_p90_s for outcome in runs)
        found[f"best_p90_ms_{name}"] = shortest_s * 1e3 if math.isfinite(shortest_s) else None
    return found


def _reached_each(outcomes: Sequence[Outcome], wanted: Sequence[float], budget_s: float) -> Reached:
    """Return when each search reached a hypervolume of its own."""
    times_s = [own.reached_s(volume) for own, volume in zip(outcomes, wanted, strict=True)]
    return Reached(
        tuple(min(at_s, budget_s) for at_s in times_s),
        sum(at_s > budget_s for at_s in times_s),
    )


def mean_spent_s(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return where a method's virtual time went, stage by stage, as the mean over the seeds."""
    stages = dict.fromkeys(stage for outcome in outcomes for stage in outcome.spent_s)
    return {
        stage: statistics.mean(outcome.spent_s.get(stage, 0.0) for outcome in outcomes)
        for stage in stages
    }
