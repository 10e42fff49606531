"""What one search of one method found, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from benchmarks.replay_parts.virtual_clock import VirtualClock
from search.front import hypervolume
from search.records import NumberedRecord, Run

SMALL_DROP = 0.01


class Step(NamedTuple):
    """From ``at_s`` on, this much hypervolume is dominated."""

    at_s: float
    hypervolume: float


@dataclass(slots=True)
class Trace:
    """A search under way: its trials, each with the time at which it ended."""

    clock: VirtualClock
    trials: list[tuple[float, NumberedRecord]] = field(default_factory=list)

    def add(self, trial: NumberedRecord) -> None:
        """Take a trial that has just ended."""
        self.trials.append((self.clock.now_s(), trial))

    def ended(self, run: Run) -> Outcome:
        """Return what the search comes to; of ``run`` only the facts and the baseline count."""
        steps, members = [Step(0.0, 0.0)], list[NumberedRecord]()
        for at_s, trial in self.trials:
            if not trial.record.is_feasible:
                continue
            volume = hypervolume(replace(run, trials=[*members, trial])) or 0.0
            if volume > steps[-1].hypervolume:
                members.append(trial)
                steps.append(Step(at_s, volume))
        spent = {**self.clock.spent_s, "search": self.clock.search_s()}
        return Outcome(steps, _shortest_p90_s(self.trials), spent, len(self.trials))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A search that has ended.

    Attributes:
        steps: Rising, the first at 0 seconds.
        shortest_p90_s: Among trials whose accuracy drops by at most `SMALL_DROP`.
        spent_s: Virtual seconds by stage, and of the search itself.
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
        return next((step.at_s for step in self.steps if step.hypervolume >= wanted), math.inf)

    def hypervolume_at(self, at_s: float) -> float:
        """Return what is dominated at some time."""
        return max(step.hypervolume for step in self.steps if step.at_s <= at_s)


def _shortest_p90_s(trials: Sequence[tuple[float, NumberedRecord]]) -> float:
    found = []
    for _, trial in trials:
        quantities = trial.record.quantities
        drop = next((q.value for name, q in quantities.items() if name.endswith("_drop")), None)
        p90_s = quantities["latency_p90_s"].value if quantities else None
        if drop is not None and p90_s is not None and drop <= SMALL_DROP:
            found.append(p90_s)
    return min(found, default=math.inf)
