"""What was measured, as the policy looks at it: every trial of a growing run is looked at once.

A trial that a gate ended before it was asked for its answers has been timed, and counts with the
metric of its model with other flags.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluators.candidate import Candidate
from evaluators.measurement import Quantity
from search.front import log_costs
from search.policy.identity import answers_of, prefix_of, speed_of
from search.records import GATED, NumberedRecord, Run, TrialRecord


@dataclass(frozen=True, slots=True)
class Known:
    """A measured trial, or one that was timed and not asked for its answers.

    Attributes:
        candidate: What it was.
        costs: Log costs of shape (n_objectives,).
        metric_cost: The metric as a cost, be it an objective or not.
        prefix: As `identity.prefix_of` has it.
        answers: As `identity.answers_of` has it.
        speed: As `identity.speed_of` has it.
    """

    trial: NumberedRecord
    candidate: Candidate
    costs: NDArray[np.float64]
    metric_cost: float
    prefix: Hashable
    answers: Hashable
    speed: Hashable


class KnownTrials:
    """The measured trials of one study."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._metrics: dict[Hashable, Quantity] = {}

    def of(self, run: Run, candidates: Mapping[int, Candidate]) -> list[Known]:
        """Return the trials of a run that are known, in its order.

        Args:
            run: As the search has it; a trial that was measured again has another record.
            candidates: What each of its trials was.
        """
        looked_at = (self._look(trial, candidates, run) for trial in run.trials)
        return [known for known in looked_at if known is not None]

    def _look(
        self, trial: NumberedRecord, candidates: Mapping[int, Candidate], run: Run
    ) -> Known | None:
        known = self._known.get(trial.number)
        if known is not None and known.trial.record is trial.record:
            return known
        failure = trial.record.failure
        if failure is not None and (failure.kind, failure.stage) != (GATED, "score"):
            return None
        candidate = candidates[trial.number]
        answers = answers_of(candidate)
        record, metric = trial.record, run.facts.metric.si_name
        if failure is None:
            self._metrics[answers] = record.quantities[metric]
        elif answers not in self._metrics:
            return None
        else:
            numbers = {**record.quantities, metric: self._metrics[answers]}
            record = replace(record, quantities=numbers)
        costs = log_costs([record], run)[0]
        cost = metric_cost(record, run)
        prefix, speed = prefix_of(candidate), speed_of(candidate)
        known = Known(trial, candidate, costs, cost, prefix, answers, speed)
        self._known[trial.number] = known
        return known


def metric_cost(record: TrialRecord, run: Run) -> float:
    """Return a measured metric as a cost."""
    value = record.shown(run.facts.metric)
    assert value is not None
    return run.facts.metric.as_cost(value)
