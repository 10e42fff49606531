"""The front, measured again before it is published.

The best of many measurements looks better than it is: whoever was lucky is chosen. So the members
of the front, what came close to them and the baseline are measured again in fresh processes, in
random order, round by round, so that what the machine does meanwhile meets all of them alike::

    round 1    7  baseline  2  11  4
    round 2    4  2  baseline  7  11      values: medians over the rounds
    round 3    2  11  7  4  baseline      front: recomputed from them

Validation accuracy decides; what the test split says stands beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import moocore
import numpy as np
from numpy.typing import NDArray

from evaluators.bench import TEST, VALIDATION, Built, Measured
from evaluators.candidate import Candidate
from evaluators.failures import EvaluationFailure
from evaluators.stage_clock import StageClock
from search.evaluation import Evaluator
from search.front import log_costs, pareto_front
from search.records import Confirmation, NumberedRecord, Run, TrialRecord

MOST_POINTS = 12
NEAR_IN_RESOLUTIONS = 2.0
"""A rival is near if it lies so many resolutions or less behind a member, in every objective."""
_METRIC_STEP = 0.01
"""What counts as one resolution of the metric, which has none of its own."""
BASELINE_LABEL = "baseline"

_SPLITS_BY_ROUND = ((VALIDATION, TEST),)
"""What is asked for in the first rounds; an artifact's answers don't change, its speed does."""


def points_to_confirm(run: Run, most: int = MOST_POINTS) -> list[NumberedRecord]:
    """Return the front's members, then its near rivals, the nearest first.

    Where the front has more members than may be confirmed, those stay that add most to its
    hypervolume.
    """
    members = pareto_front(run)
    if len(members) > most:
        return _widest(members, run, most)
    return [*members, *_near_rivals(members, run)][:most]


def _widest(members: list[NumberedRecord], run: Run, most: int) -> list[NumberedRecord]:
    kept = list(members)
    costs = np.array([log_costs(trial.record, run) for trial in members])
    low, span = costs.min(axis=0), np.ptp(costs, axis=0)
    scaled = (costs - low) / np.where(span > 0, span, 1.0)
    while len(kept) > most:
        added = moocore.hv_contributions(scaled, ref=np.full(scaled.shape[1], 1.1))
        added[scaled.argmin(axis=0)] = np.inf  # the best in each objective stay
        least = int(np.argmin(added))
        kept.pop(least)
        scaled = np.delete(scaled, least, axis=0)
    return kept


def _near_rivals(members: Sequence[NumberedRecord], run: Run) -> list[NumberedRecord]:
    if not members:
        return []
    numbers = {trial.number for trial in members}
    rivals = [t for t in run.trials if t.record.is_feasible and t.number not in numbers]
    costs = np.array([log_costs(trial.record, run) for trial in members])
    units = np.array([np.log1p(o.resolution) or _METRIC_STEP for o in run.facts.objectives])
    gaps = {t.number: _gap(log_costs(t.record, run), costs, units) for t in rivals}
    near = [trial for trial in rivals if gaps[trial.number] <= NEAR_IN_RESOLUTIONS]
    return sorted(near, key=lambda trial: gaps[trial.number])


def _gap(own: NDArray, members: NDArray, units: NDArray) -> float:
    """Return how many units a point lies behind the nearest member, in its worst objective."""
    return float(((own - members) / units).max(axis=1).min())


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What confirmation found.

    Attributes:
        records: Trial number -> record with the confirmed values, constraints not judged yet.
        baseline: The baseline's.
        lost: Trial number -> why it couldn't be measured again.
    """

    records: dict[int, TrialRecord]
    baseline: TrialRecord | None
    lost: dict[int, str]


@dataclass(slots=True)
class Confirmer:
    """Measures points again, round by round.

    Attributes:
        candidate_of: Trial -> what it was.
        should_stop: Asked before every measurement.
        seed: Of the order.
    """

    evaluator: Evaluator
    candidate_of: Callable[[NumberedRecord], Candidate]
    should_stop: Callable[[], bool]
    seed: int

    def confirm(
        self,
        points: Sequence[NumberedRecord],
        baseline: tuple[Candidate, TrialRecord] | None,
        rounds: int,
    ) -> Confirmed | None:
        """Measure points and baseline in so many rounds, or return None if told to stop.

        Args:
            points: What `points_to_confirm` chose.
            baseline: The baseline and its record, or None where it has no numbers.
            rounds: Fresh processes for each.
        """
        wanted = {str(point.number): self.candidate_of(point) for point in points}
        if baseline is not None:
            wanted[BASELINE_LABEL] = baseline[0]
        repeats, built, lost = self._run_rounds(wanted, rounds)
        if self.should_stop():
            return None
        for measured in repeats.values():
            self.evaluator.learn(measured)
        records = {
            point.number: self._record(point.record, built[str(point.number)], found)
            for point in points
            if (found := repeats.get(str(point.number)))
        }
        base = repeats.get(BASELINE_LABEL)
        return Confirmed(
            records,
            self._record(baseline[1], built[BASELINE_LABEL], base) if baseline and base else None,
            {int(label): why for label, why in lost.items() if label != BASELINE_LABEL},
        )

    def _run_rounds(
        self, wanted: Mapping[str, Candidate], rounds: int
    ) -> tuple[dict[str, list[Measured]], dict[str, Built], dict[str, str]]:
        order = random.Random(self.seed)  # noqa: S311  an order, not a secret
        repeats: dict[str, list[Measured]] = {}
        built: dict[str, Built] = {}
        lost: dict[str, str] = {}
        for turn in range(rounds):
            labels = [label for label in wanted if label not in lost]
            order.shuffle(labels)
            for place, label in enumerate(labels):
                if self.should_stop():
                    return repeats, built, lost
                progress = f"confirming, round {turn + 1} of {rounds}, {place + 1}/{len(labels)}"
                splits = _SPLITS_BY_ROUND[turn] if turn < len(_SPLITS_BY_ROUND) else ()
                try:
                    if label not in built:
                        built[label] = self.evaluator.build(wanted[label], progress)
                    again = self.evaluator.measure_again(built[label], progress, splits)
                except EvaluationFailure as failure:
                    repeats.pop(label, None)
                    lost[label] = failure.reason
                else:
                    repeats.setdefault(label, []).append(again)
        return repeats, built, lost

    def _record(self, before: TrialRecord, built: Built, found: list[Measured]) -> TrialRecord:
        """Return the record with confirmed numbers, and with the costs of the trial itself."""
        record = self.evaluator.record_of(built, found, StageClock(_unheard))
        searched = {name: quantity.value for name, quantity in before.quantities.items()}
        return replace(
            record,
            confirmation=Confirmation(len(found), searched),
            stage_seconds=before.stage_seconds,
            found_stages=before.found_stages,
            ask_seconds=before.ask_seconds,
            overhead_seconds=before.overhead_seconds,
        )


def _unheard(_stage: str) -> None:
    """Take the name of a stage and tell nobody."""
