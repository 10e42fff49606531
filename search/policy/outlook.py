"""What is known at one moment of a search, and what that says of candidates not yet measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators.candidate import Candidate
from search.front import logarithms, pareto_front
from search.gates import hoped_metric_cost
from search.policy.forecast import MOST_OBSERVATIONS, Forecast, fit_forecast
from search.policy.gains import Gains
from search.policy.identity import (
    answer_params,
    answers_of,
    model_of,
    model_params,
    speed_of,
    speed_params,
)
from search.policy.known import Known
from search.policy.proposals import Proposal
from search.records import Run
from search.run_facts import RunFacts
from spaces.dimensions import Dimension
from spaces.objectives import Objective

_FEWEST_TRAINED = 10
"""Models whose metrics say what one more may come to."""


class Outlook:
    """A run with a baseline and at least one measured trial.

    Args:
        dimensions: Of the space, by parameter.
        run: As the search has it.
        known: Its trials that have numbers.
    """

    def __init__(
        self, dimensions: Mapping[str, Dimension], run: Run, known: Sequence[Known]
    ) -> None:
        self._dimensions = dimensions
        self.run = run
        self.known = known
        self.gains = Gains.of(run, known)
        objectives = run.facts.objectives
        self._is_metric = np.array([objective == run.facts.metric for objective in objectives])

    @cached_property
    def front(self) -> list[Known]:
        """The members of the front."""
        members = {trial.number for trial in pareto_front(self.run)}
        return [known for known in self.known if known.trial.number in members]

    @cached_property
    def best_metric_cost(self) -> float:
        """The best metric measured so far, as a cost."""
        return min(known.metric_cost for known in self.known)

    @cached_property
    def promising(self) -> list[Known]:
        """The trials that would be on the front with the best metric so far."""
        costs = np.array([known.costs for known in self.known])
        gains = self.gains.is_gain(self._with_metric(costs, self.best_metric_cost))
        return [known for known, is_gain in zip(self.known, gains, strict=True) if is_gain]

    def gain_of(self, costs: NDArray[np.float64], metric_cost: float) -> float:
        """Return the hypervolume that a point would add; 0 where it breaks a bound.

        Args:
            costs: Log costs of shape (n_objectives,), in which the metric doesn't count.
            metric_cost: The metric as a cost.
        """
        point = self._with_metric(costs, metric_cost)
        inside = metric_cost <= self._metric_limit and (point <= self._limits).all()
        return self.gains.of_point(point) if inside else 0.0

    def hoped_metric_cost(self, candidate: Candidate) -> float:
        """Return the best metric, as a cost, that training a candidate may give.

        Only models that were trained for as many epochs or more say how much that is; minus
        infinity where they are too few. Each counts once, with the best of its precisions: another
        one of them is no other training.

        Args:
            candidate: What is to be trained.
        """
        trained: dict[Hashable, Known] = {}
        for known in sorted(self.known, key=lambda known: known.metric_cost):
            if known.candidate.epochs >= candidate.epochs:
                trained.setdefault(model_of(known.candidate), known)
        if len(trained) < _FEWEST_TRAINED:
            return -np.inf
        newest = sorted(trained.values(), key=lambda known: known.trial.number)[-MOST_OBSERVATIONS:]
        params = [model_params(known.candidate.params()) for known in newest]
        metrics = np.array([[known.metric_cost] for known in newest])
        forecast = fit_forecast(self._dimensions, params, metrics)
        mean, spread = forecast.predict([model_params(candidate.params())])
        return hoped_metric_cost(float(mean[0, 0]), float(spread[0, 0]), len(newest))

    def forecast(self, proposals: Sequence[Proposal], hope: float) -> list[Proposal]:
        """Return proposals with what each should add to the front.

        Args:
            proposals: Of candidates, at least one.
            hope: Standard deviations by which what isn't known is taken to come out better than
                expected.
        """
        params = [proposal.candidate.params() for proposal in proposals]
        mean, spread = self._costs_forecast.predict([speed_params(each) for each in params])
        metric, uncertainty = self._metric_forecast.predict([answer_params(p) for p in params])
        costs = mean - hope * spread
        metrics = (metric - hope * uncertainty)[:, 0]
        return [
            replace(proposal, gain=self._gain_of(proposal.candidate, point, float(metric_cost)))
            for proposal, point, metric_cost in zip(proposals, costs, metrics, strict=True)
        ]

    def _gain_of(
        self, candidate: Candidate, costs: NDArray[np.float64], metric_cost: float
    ) -> float:
        """Return what a candidate would add, by forecasts of what isn't known of it."""
        costs = self.shared_costs.get(speed_of(candidate), costs)
        return self.gain_of(costs, self._known_metrics.get(answers_of(candidate), metric_cost))

    @cached_property
    def shared_costs(self) -> Mapping[Hashable, NDArray[np.float64]]:
        """Mean log costs of those that differ in their training alone, by `identity.speed_of`.

        What tells them apart is how each measurement came out. Another training of the luckiest
        would be hoped to be as fast, again and again.
        """
        alike: dict[Hashable, list[NDArray[np.float64]]] = defaultdict(list)
        for known in self.known:
            alike[known.speed].append(known.costs)
        return {speed: np.mean(costs, axis=0) for speed, costs in alike.items()}

    @cached_property
    def _known_metrics(self) -> dict[Hashable, float]:
        """What was measured of each model, whatever its flags were: they hardly change answers.

        A forecast would hope for a better metric from each of them, and flags cost next to nothing:
        sweep would follow sweep.
        """
        return {known.answers: known.metric_cost for known in self.known}

    def _with_metric(self, costs: NDArray[np.float64], metric_cost: float) -> NDArray[np.float64]:
        return np.where(self._is_metric, metric_cost, costs)

    @cached_property
    def _costs_forecast(self) -> Forecast:
        newest = self.known[-MOST_OBSERVATIONS:]
        params = [speed_params(known.candidate.params()) for known in newest]
        return fit_forecast(self._dimensions, params, np.array([k.costs for k in newest]))

    @cached_property
    def _metric_forecast(self) -> Forecast:
        """From models, each once: flags hardly change answers, and would make it seem certain."""
        each_once = list({known.answers: known for known in self.known}.values())
        newest = each_once[-MOST_OBSERVATIONS:]
        params = [answer_params(known.candidate.params()) for known in newest]
        metrics = np.array([[known.metric_cost] for known in newest])
        return fit_forecast(self._dimensions, params, metrics)

    @cached_property
    def _limits(self) -> NDArray[np.float64]:
        """The largest log cost that each objective's bounds allow."""
        facts = self.run.facts
        limits = np.array([_limit(objective, facts) for objective in facts.objectives])
        return logarithms(limits, self.run)

    @cached_property
    def _metric_limit(self) -> float:
        return _limit(self.run.facts.metric, self.run.facts)


def _limit(objective: Objective, facts: RunFacts) -> float:
    """Return the largest cost that an objective's bounds allow; infinity without one."""
    low, high = facts.bounds.get(objective.name, (None, None))
    worst = high if objective.direction == "minimize" else low
    return np.inf if worst is None else objective.as_cost(worst)
