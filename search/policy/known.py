"""What was measured, as the policy looks at it: every trial of a growing run is looked at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.candidate import Candidate
from search.front import log_costs
from search.policy.identity import answers_of, prefix_of
from search.records import NumberedRecord, Run, TrialRecord


@dataclass(frozen=True, slots=True)
class Known:
    """A measured trial.

    Attributes:
        candidate: What it was.
        costs: Log costs of shape (n_objectives,).
        metric_cost: The metric as a cost, be it an objective or not.
        prefix: As `identity.prefix_of` has it.
        answers: As `identity.answers_of` has it.
    """

    trial: NumberedRecord
    candidate: Candidate
    costs: NDArray[np.float64]
    metric_cost: float
    prefix: Hashable
    answers: Hashable


class KnownTrials:
    """The measured trials of one study."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}

    def of(self, run: Run, candidates: Mapping[int, Candidate]) -> list[Known]:
        """Return the trials of a run that have numbers, in its order.

        Args:
            run: As the search has it; a trial that was measured again has another record.
            candidates: What each of its trials was.
        """
        measured = [trial for trial in run.trials if trial.record.failure is None]
        new = [trial for trial in measured if not self._is_as_before(trial)]
        costs = log_costs([trial.record for trial in new], run)
        for trial, each in zip(new, costs, strict=True):
            candidate = candidates[trial.number]
            self._known[trial.number] = Known(
                trial,
                candidate,
                each,
                metric_cost(trial.record, run),
                prefix_of(candidate),
                answers_of(candidate),
            )
        return [self._known[trial.number] for trial in measured]

    def _is_as_before(self, trial: NumberedRecord) -> bool:
        known = self._known.get(trial.number)
        return known is not None and known.trial.record is trial.record


def metric_cost(record: TrialRecord, run: Run) -> float:
    """Return a measured metric as a cost."""
    value = record.shown(run.facts.metric)
    assert value is not None
    return run.facts.metric.as_cost(value)
