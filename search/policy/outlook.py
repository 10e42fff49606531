"""What is known at one moment of a search, and what that says of candidates not yet measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators.candidate import Candidate
from search.front import log_costs, pareto_front
from search.policy.forecast import MOST_OBSERVATIONS, Forecast, Params, fit_forecast
from search.policy.gains import Gains
from search.policy.proposals import Proposal
from search.records import NumberedRecord, Run
from spaces.dimensions import Dimension

_OPTIMISM = 0.5
"""Standard deviations by which a forecast is taken to come out better than expected."""


@dataclass(frozen=True, slots=True)
class Known:
    """A measured trial, what it was, and its log costs of shape (n_objectives,)."""

    trial: NumberedRecord
    candidate: Candidate
    costs: NDArray[np.float64]


class Outlook:
    """A run with a baseline and at least one measured trial.

    Args:
        dimensions: Of the space, by parameter.
        run: As the search has it.
        candidates: What each trial was.
    """

    def __init__(
        self, dimensions: Mapping[str, Dimension], run: Run, candidates: Mapping[int, Candidate]
    ) -> None:
        self._dimensions = dimensions
        self.run = run
        measured = [trial for trial in run.trials if trial.record.failure is None]
        costs = log_costs([trial.record for trial in measured], run)
        self.known = [
            Known(trial, candidates[trial.number], each)
            for trial, each in zip(measured, costs, strict=True)
        ]
        self.gains = Gains.of(run, run.trials)
        objectives = run.facts.objectives
        self._is_metric = np.array([objective == run.facts.metric for objective in objectives])

    @cached_property
    def front(self) -> list[Known]:
        """The members of the front."""
        members = {trial.number for trial in pareto_front(self.run)}
        return [known for known in self.known if known.trial.number in members]

    @property
    def has_metric(self) -> bool:
        """Say whether the metric is an objective."""
        return bool(self._is_metric.any())

    def metric_cost(self, costs: NDArray[np.float64]) -> float:
        """Return the metric in log costs."""
        return float(costs[self._is_metric][0])

    def with_metric(self, costs: NDArray[np.float64], metric_cost: float) -> NDArray[np.float64]:
        """Return log costs with another metric."""
        return np.where(self._is_metric, metric_cost, costs)

    @cached_property
    def best_metric_cost(self) -> float:
        """The best metric measured so far, as a cost."""
        return min(self.metric_cost(known.costs) for known in self.known)

    def gain_of(self, costs: NDArray[np.float64]) -> float:
        """Return the hypervolume that a point would add; 0 where it breaks a bound."""
        return self.gains.of_point(costs) if (costs <= self._limits).all() else 0.0

    def forecast(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Return proposals with what each should add to the front."""
        params = [proposal.candidate.params() for proposal in proposals]
        mean, spread = self._costs_forecast.predict([_speed_params(each) for each in params])
        costs = np.where(self._is_metric, 0.0, mean - _OPTIMISM * spread)
        if self.has_metric:
            metric, uncertainty = self._metric_forecast.predict(params)
            costs = np.where(self._is_metric, metric - _OPTIMISM * uncertainty, costs)
        return [
            replace(proposal, gain=self.gain_of(point))
            for proposal, point in zip(proposals, costs, strict=True)
        ]

    @cached_property
    def _costs_forecast(self) -> Forecast:
        newest = self.known[-MOST_OBSERVATIONS:]
        params = [_speed_params(known.candidate.params()) for known in newest]
        return fit_forecast(self._dimensions, params, np.array([k.costs for k in newest]))

    @cached_property
    def _metric_forecast(self) -> Forecast:
        newest = self.known[-MOST_OBSERVATIONS:]
        params = [known.candidate.params() for known in newest]
        metrics = np.array([[self.metric_cost(known.costs)] for known in newest])
        return fit_forecast(self._dimensions, params, metrics)

    @cached_property
    def _limits(self) -> NDArray[np.float64]:
        """Return the largest log cost that each objective's bounds allow."""
        facts = self.run.facts
        limits = []
        for objective in facts.objectives:
            low, high = facts.bounds.get(objective.name, (None, None))
            worst = high if objective.direction == "minimize" else low
            cost = worst if worst is None or objective.direction == "minimize" else -worst
            if cost is None:
                limits.append(np.inf)
            elif objective == facts.metric:
                limits.append(cost)
            else:
                limits.append(np.copysign(1.0, cost) * np.log(max(abs(cost), 1e-6)))
        return np.array(limits)


def _speed_params(params: Params) -> Params:
    """Return what decides speed and memory: how long a model was trained doesn't."""
    return {name: value for name, value in params.items() if not name.startswith("distillation.")}
