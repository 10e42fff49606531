"""What was measured, as the policy looks at it: every trial of a growing run is looked at once.

Candidates that differ in nothing but their training are as fast as one another, and need as much
memory. What tells them apart there is how each measurement came out, so the mean of all counts:
otherwise the luckiest of many would look better than the most accurate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluators.candidate import Candidate
from search.front import logarithms
from search.policy.identity import answers_of, prefix_of, speed_of
from search.records import NumberedRecord, Run, TrialRecord


@dataclass(frozen=True, slots=True)
class Known:
    """A measured trial.

    Attributes:
        candidate: What it was.
        values: Costs of shape (n_objectives,), all but the metric the mean of those alike in speed.
        costs: The same as log costs.
        metric_cost: The metric as a cost, be it an objective or not.
        prefix: As `identity.prefix_of` has it.
        answers: As `identity.answers_of` has it.
        speed: As `identity.speed_of` has it.
    """

    trial: NumberedRecord
    candidate: Candidate
    values: NDArray[np.float64]
    costs: NDArray[np.float64]
    metric_cost: float
    prefix: Hashable
    answers: Hashable
    speed: Hashable


class KnownTrials:
    """The measured trials of one study."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._alike: dict[Hashable, dict[int, NDArray[np.float64]]] = defaultdict(dict)

    def of(self, run: Run, candidates: Mapping[int, Candidate]) -> list[Known]:
        """Return the trials of a run that have numbers, in its order.

        Args:
            run: As the search has it; a trial that was measured again has another record.
            candidates: What each of its trials was.
        """
        measured = [trial for trial in run.trials if trial.record.failure is None]
        new = [trial for trial in measured if not self._is_as_before(trial)]
        costs = run.costs_of([trial.record for trial in new])
        for trial, values in zip(new, costs, strict=True):
            candidate = candidates[trial.number]
            known = Known(
                trial,
                candidate,
                values,
                logarithms(values, run),
                metric_cost(trial.record, run),
                prefix_of(candidate),
                answers_of(candidate),
                speed_of(candidate),
            )
            self._known[trial.number] = known
            self._alike[known.speed][trial.number] = values
        for speed in {self._known[trial.number].speed for trial in new}:
            self._share(self._alike[speed], run)
        return [self._known[trial.number] for trial in measured]

    def _share(self, alike: Mapping[int, NDArray[np.float64]], run: Run) -> None:
        """Give trials that are alike in speed the mean of what they cost, but for the metric."""
        is_metric = np.array([each == run.facts.metric for each in run.facts.objectives])
        mean = np.mean(list(alike.values()), axis=0)
        for number, own in alike.items():
            values = np.where(is_metric, own, mean)
            costs = logarithms(values, run)
            self._known[number] = replace(self._known[number], values=values, costs=costs)

    def _is_as_before(self, trial: NumberedRecord) -> bool:
        known = self._known.get(trial.number)
        return known is not None and known.trial.record is trial.record


def metric_cost(record: TrialRecord, run: Run) -> float:
    """Return a measured metric as a cost."""
    value = record.shown(run.facts.metric)
    assert value is not None
    return run.facts.metric.as_cost(value)
