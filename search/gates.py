"""Gates: what isn't worth training, said before it is trained, and how often that may be wrong.

::

    refused by the engine   nothing is built
    probe                   the pruned model, not yet fine-tuned, is built and timed: its speed and
                            memory hardly depend on the weights' values
    answers                 the model answered before with other flags, which hardly change answers
    score                   the answers to a part of a long validation split

All but the first refuse what breaks a bound, or what some trial dominates even at the best metric
that fine-tuning, other flags, or the rest of the answers, may give it. A model that was measured
without training needs no gate: forecasts know its numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from evaluators.measurement import Quantity
from search.bounds import judged
from search.records import Run, TrialRecord
from spaces.objectives import Objective

WRONG_AT_MOST = 0.05
"""The probability that a model which is refused would have been on the front."""
_ODDS = f"(wrong with a probability of at most {WRONG_AT_MOST:g})"


def training_refusal(run: Run, hoped_metric: float, record: TrialRecord) -> str | None:
    """Say why a model isn't worth training, or None where it may be.

    Args:
        run: As the search has it.
        hoped_metric: The best metric that training may give the model; infinite, with the sign that
            is better, where nothing bounds it yet.
        record: What was measured of it before training; the metric may be missing.
    """
    return _refusal(run, hoped_metric, record, "training it", "however well it were trained")


def answers_refusal(run: Run, hoped_metric: float, record: TrialRecord) -> str | None:
    """Say why a model's answers aren't worth waiting for, or None where they may be.

    Args:
        run: As the search has it.
        hoped_metric: The best metric to expect of a model that has answered with other flags.
        record: What was measured, all but the metric.
    """
    return _refusal(run, hoped_metric, record, "other flags", "whatever it answers")


def _refusal(
    run: Run, hoped_metric: float, record: TrialRecord, means: str, anyhow: str
) -> str | None:
    metric = run.facts.metric
    best = _at_its_best(run, record, hoped_metric)
    at_best = f"even at {metric.name} {hoped_metric:.4g}, the best to expect of {means} {_ODDS}"
    broken = _broken_bound(run, best)
    if broken is not None:
        name, text = broken
        return f"{text} {at_best if name == metric.name else anyhow}"
    is_objective = metric in run.facts.objectives
    if math.isinf(hoped_metric) and is_objective:
        return None
    number = _dominating(run, best)
    if number is None:
        return None
    if not is_objective:
        return f"trial {number} dominates it in every objective, whatever its {metric.name}"
    return f"trial {number} would dominate it {at_best}"


def score_refusal(run: Run, record: TrialRecord, best_metric: float, seen: str) -> str | None:
    """Say why the rest of a long split isn't worth answering, or None where it may be.

    Args:
        run: As the search has it.
        record: What was measured, all but the metric.
        best_metric: What the metric may yet come to but for `WRONG_AT_MOST`; infinite, with the
            sign that is better, where nothing is answered yet.
        seen: How many samples are, in words.
    """
    metric = run.facts.metric
    shown = metric.shown_from_si(best_metric)
    best = _at_its_best(run, record, shown)
    broken = _broken_bound(run, best)
    if broken is not None:
        return f"{broken[1]} at the least, after {seen} {_ODDS}"
    number = _dominating(run, best)
    if number is None:
        return None
    return (
        f"trial {number} would dominate it even at {metric.name} {shown:.4g}, the best that "
        f"{seen} leave it {_ODDS}"
    )


def _at_its_best(run: Run, record: TrialRecord, hoped_metric: float) -> TrialRecord:
    """Return the record with each cost where a repeat might find it, and the hoped metric."""
    facts = run.facts
    quantities = dict(record.quantities)
    for objective in {*facts.objectives, *facts.bounded} - {facts.metric}:
        quantities[objective.si_name] = _at_best(quantities[objective.si_name], objective)
    hoped = facts.metric.si_from_shown(hoped_metric)
    best = Quantity(hoped, "1", "hoped for", "estimated: the best it could be")
    quantities[facts.metric.si_name] = best
    return judged(replace(record, quantities=quantities, failure=None), facts)


def _broken_bound(run: Run, best: TrialRecord) -> tuple[str, str] | None:
    """Return the name of what breaks a bound, and that it does."""
    for name, overshoot in best.violations.items():
        if overshoot > 0:
            bound = " and ".join(run.facts.constraints_on(name))
            return name, f"{bound} would be broken by {_percent(overshoot)}"
    return None


def _percent(share: float) -> str:
    """Return a share in percent; of a small one, two digits that tell it from 0."""
    return f"{share:.0%}" if share >= 0.1 else f"{100 * share:.2g}%"


def _dominating(run: Run, best: TrialRecord) -> int | None:
    """Return the number of a trial that is at least as good in every objective."""
    dominates = np.flatnonzero((run.eligible_costs <= run.costs_of([best])).all(axis=1))
    return run.eligible[dominates[0]].number if len(dominates) else None


def hoped_metric_cost(mean: float, spread: float, models: int) -> float:
    """Return the best metric that training may give, as a cost: exceeded with `WRONG_AT_MOST`.

    Args:
        mean: Forecast, as a cost.
        spread: Its standard deviation, of one more training.
        models: How many it was learned from: fewer know their own spread less well.

    References:
        Geisser, Predictive Inference, 1993, section 2.2: one more observation follows Student's t.
    """
    from scipy.special import stdtrit

    return mean + spread * float(stdtrit(models - 1, WRONG_AT_MOST))


def _at_best(quantity: Quantity, objective: Objective) -> Quantity:
    end = quantity.low if objective.direction == "minimize" else quantity.high
    return quantity if end is None else replace(quantity, value=end)
