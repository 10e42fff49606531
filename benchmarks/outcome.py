"""What one search of one method found, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from search.front import hypervolume
from search.records import NumberedRecord, Run, TrialRecord

SMALL_DROP = 0.01


class Step(NamedTuple):
    """From ``at_s`` on, this much hypervolume is dominated."""

    at_s: float
    hypervolume: float


@dataclass(slots=True)
class Trace:
    """A search under way: its trials, each with the seconds at which it ended."""

    trials: list[tuple[float, NumberedRecord]] = field(default_factory=list)

    def add(self, at_s: float, trial: NumberedRecord) -> None:
        """Take a trial that has just ended."""
        self.trials.append((at_s, trial))

    def outcome(self, run: Run, spent_s: Mapping[str, float]) -> Outcome:
        """Return what the search came to.

        Args:
            run: Its facts and its baseline count, its trials don't.
            spent_s: Where the time went.
        """
        steps, members = [Step(0.0, 0.0)], list[NumberedRecord]()
        for at_s, trial in self.trials:
            if not trial.record.is_feasible:
                continue
            volume = hypervolume(replace(run, trials=[*members, trial])) or 0.0
            if volume > steps[-1].hypervolume:
                members.append(trial)
                steps.append(Step(at_s, volume))
        shortest_s = _shortest_p90_s(self.trials, run.facts.metric.name)
        return Outcome(steps, shortest_s, spent_s, len(self.trials))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A search that has ended.

    Attributes:
        steps: Rising, the first at 0 seconds.
        shortest_p90_s: Among trials whose accuracy drops by at most `SMALL_DROP`.
        spent_s: Seconds by stage, and of the search itself.
    """

    steps: Sequence[Step]
    shortest_p90_s: float
    spent_s: Mapping[str, float]
    trials: int

    @property
    def hypervolume(self) -> float:
        """Return what is dominated in the end."""
        return self.steps[-1].hypervolume

    def reached_s(self, wanted: float) -> float:
        """Return when a hypervolume was reached; infinite if it wasn't."""
        found = self.steps[1:]  # at 0 seconds nothing was found yet
        return next((step.at_s for step in found if step.hypervolume >= wanted), math.inf)

    def hypervolume_at(self, at_s: float) -> float:
        """Return what is dominated at some time."""
        return max(step.hypervolume for step in self.steps if step.at_s <= at_s)


def _shortest_p90_s(trials: Sequence[tuple[float, NumberedRecord]], metric: str) -> float:
    return min(
        (
            record.quantities["latency_p90_s"].value or math.inf
            for _, trial in trials
            if is_nearly_as_good(record := trial.record, metric)
        ),
        default=math.inf,
    )


def is_nearly_as_good(record: TrialRecord, metric: str) -> bool:
    """Say whether a candidate's metric drops by at most `SMALL_DROP`."""
    drop = record.quantities.get(f"{metric}_drop")
    # 0.93 - 0.92 is more than 0.01 only in binary.
    return drop is not None and drop.value is not None and drop.value <= SMALL_DROP + 1e-9
