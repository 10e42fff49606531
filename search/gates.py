"""Gates: what isn't worth training, said before it is trained, and how often that may be wrong.

::

    refused by the engine   nothing is built
    probe                   the pruned model, not yet fine-tuned, is built and timed: its speed and
                            memory hardly depend on the weights' values
    rung                    the numbers of the rung below, against what the next one could add

The last two refuse what breaks a bound, or what some trial dominates even if fine-tuning gave it
the best metric that it could hope for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from evaluators.measurement import Quantity
from search.bounds import judged
from search.records import Run, TrialRecord
from spaces.objectives import Objective

WRONG_AT_MOST = 0.05
"""The probability that a model which is refused would have been on the front."""
_FEWEST_MODELS = round(1 / WRONG_AT_MOST) - 1


@dataclass(frozen=True, slots=True)
class Gates:
    """What is known of a run, as far as it decides what is refused.

    Attributes:
        run: As the search has it.
        hoped_cost: The best metric that training could give one more model, as a cost; minus
            infinity where nothing bounds it yet.
    """

    run: Run
    hoped_cost: float

    def refusal(self, record: TrialRecord) -> str | None:
        """Say why a model isn't worth training, or None where it may be.

        Args:
            record: What was measured of it before training; the metric may be missing.
        """
        run, metric = self.run, self.run.facts.metric
        best = judged(self._at_its_best(record), run.facts)
        for name, overshoot in best.violations.items():
            if overshoot > 0:
                bound = " and ".join(run.facts.constraints_on(name))
                return f"{bound} would be broken by {overshoot:.0%} however well it were trained"
        if self.hoped_cost == -math.inf and metric in run.facts.objectives:
            return None
        dominates = np.flatnonzero((run.eligible_costs <= run.costs_of([best])).all(axis=1))
        if not len(dominates):
            return None
        return (
            f"trial {run.eligible[dominates[0]].number} would dominate it, even if training gave "
            f"it the best {metric.name} so far (wrong with a probability of at most "
            f"{WRONG_AT_MOST:g})"
        )

    def _at_its_best(self, record: TrialRecord) -> TrialRecord:
        """Return the record with each cost where a repeat might find it, and the hoped metric."""
        facts = self.run.facts
        quantities = dict(record.quantities)
        for objective in {*facts.objectives, *facts.bounded} - {facts.metric}:
            quantities[objective.si_name] = _at_best(quantities[objective.si_name], objective)
        sign = 1 if facts.metric.direction == "minimize" else -1
        hoped = facts.metric.si_from_shown(sign * self.hoped_cost)
        name = facts.metric.si_name
        quantities[name] = Quantity(hoped, "1", "hoped for", "estimated: the best so far")
        return replace(record, quantities=quantities, failure=None)


def hoped_metric_cost(costs: Iterable[float]) -> float:
    """Return the best metric to hope for in one more model, as a cost.

    Of n models and one more, if nothing else is known of them, each is the best with a probability
    of 1 / (n + 1), and a model that is to be compressed further is so less often. So the best of
    19 is exceeded with a probability of at most 0.05; of fewer, nothing can be said.

    Args:
        costs: The metric of each compressed model that was measured, as a cost.
    """
    known = list(costs)
    return min(known) if len(known) >= _FEWEST_MODELS else -math.inf


def _at_best(quantity: Quantity, objective: Objective) -> Quantity:
    end = quantity.low if objective.direction == "minimize" else quantity.high
    return quantity if end is None else replace(quantity, value=end)
