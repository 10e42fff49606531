"""The front, measured again before it is published.

The best of many measurements looks better than it is: whoever was lucky is chosen. So the members
of the front, what came close to them and the baseline are measured again in fresh processes, in
random order, round by round, so that what the machine does meanwhile meets all of them alike::

    round 1    7  baseline  2  11  4
    round 2    4  2  baseline  7  11      values: medians over the rounds
    round 3    2  11  7  4  baseline      front: recomputed from them

Where a member turns out worse than it seemed, trials that it had dominated are measured too.
Validation accuracy decides; what the test split says stands beside it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from evaluators.bench import TEST, VALIDATION
from evaluators.built import Built, Measured
from evaluators.candidate import Candidate
from evaluators.failures import EvaluationFailure
from search import study_attributes
from search.bounds import judged
from search.budget import Budget
from search.confirmation import MOST_POINTS, points_to_confirm
from search.events import ConfirmationStarted, FrontConfirmed, Notice
from search.front import pareto_front, unconfirmed_members
from search.records import Confirmation, NumberedRecord, TrialRecord
from search.state import StudyState
from search.study_attributes import BASELINE, run_of_study

_T = TypeVar("_T")

_SAFETY = 1.25
"""What is kept back: disturbed attempts and the test split cost more than one measurement did, and
the last trial may add a member."""
_GRACE = 0.1
"""A front that is nearly confirmed is worth ending the session by this share of it later."""


@dataclass(slots=True)
class _Wanted:
    """What is measured in one go, by label: a trial's number, or ``baseline``."""

    candidates: dict[str, Candidate]
    before: dict[str, TrialRecord]
    built: dict[str, Built] = field(default_factory=dict)
    repeats: dict[str, list[Measured]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Confirmer:
    """Measures the front of a study again, and keeps what comes out."""

    state: StudyState
    budget: Budget
    records: dict[str, TrialRecord] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)

    def reserve_s(self, rounds: int) -> float:
        """Return the seconds that confirmation would take, were this the last trial."""
        members = len(pareto_front(self.state.snapshot())) if rounds else 0
        points = min(members + 1, MOST_POINTS)
        return _SAFETY * self._needed_s(points, rounds) if members else 0.0

    def confirm(self, rounds: int) -> None:
        """Measure the front again, if there is time for all of it."""
        state = self.state
        before = state.snapshot()
        members = min(len(pareto_front(before)), MOST_POINTS)
        affordable = self._affordable_points(rounds)
        if not members or self.budget.should_stop():
            return
        if affordable < members:
            text = f"There was no time to confirm the {members} points of the front."
            state.observe(Notice(f"{text} Do it with: python -m search confirm --run DIR"))
            return
        points = points_to_confirm(before, affordable)
        state.observe(ConfirmationStarted(len(points), rounds))
        while points and self._measure(points, rounds):
            self._keep()
            room = MOST_POINTS - len(_by_number(self.records))
            left = min(room, self._affordable_points(rounds))
            come_to_light = unconfirmed_members(run_of_study(state.study))
            points = [p for p in come_to_light if str(p.number) not in self.lost][: max(0, left)]
        self._say_what_was_lost()
        if _by_number(self.records):
            state.observe(FrontConfirmed(run_of_study(state.study), before))

    def _measure(self, points: Sequence[NumberedRecord], rounds: int) -> bool:
        """Measure points, and the baseline if it wasn't yet; say whether all rounds were done."""
        wanted = self._wanted(points)
        with self.state.evaluator.staying_on():
            if not self._run_rounds(wanted, rounds):
                return False
        for measured in wanted.repeats.values():
            self.state.evaluator.learn(measured)
        self.lost |= wanted.lost
        self.records |= {label: self._record(wanted, label) for label in wanted.repeats}
        same = self._same_as_baseline(points)
        if same is not None and BASELINE in self.records:
            self.records[same] = self.records[BASELINE]
        elif same is not None:
            self.lost[same] = self.lost[BASELINE]
        return True

    def _wanted(self, points: Sequence[NumberedRecord]) -> _Wanted:
        state = self.state
        same = self._same_as_baseline(points)
        named = {str(point.number): state.candidates[point.number] for point in points}
        candidates = {label: each for label, each in named.items() if label != same}
        before = {str(point.number): point.record for point in points}
        baseline = state.usable_baseline
        if baseline is not None and BASELINE not in self.records:
            candidates[BASELINE], before[BASELINE] = state.plan.baseline, baseline
        return _Wanted(candidates, before)

    def _same_as_baseline(self, points: Sequence[NumberedRecord]) -> str | None:
        """Return the label of the point that is the baseline itself, which is measured once."""
        if self.state.usable_baseline is None:
            return None
        baseline, candidates = self.state.plan.baseline, self.state.candidates
        numbers = (point.number for point in points)
        return next((str(n) for n in numbers if candidates[n] == baseline), None)

    def _run_rounds(self, wanted: _Wanted, rounds: int) -> bool:
        order = random.Random(self.state.seed)  # noqa: S311  an order, not a secret
        for turn in range(rounds):
            labels = [label for label in wanted.candidates if label not in wanted.lost]
            order.shuffle(labels)
            for place, label in enumerate(labels):
                if self.budget.should_stop():
                    return False
                progress = f"confirming, round {turn + 1} of {rounds}, {place + 1}/{len(labels)}"
                self._measure_label(wanted, label, progress, is_first=turn == 0)
        return True

    def _measure_label(self, wanted: _Wanted, label: str, progress: str, *, is_first: bool) -> None:
        """Measure one artifact once; its answers don't change, so they are asked for once."""
        evaluator = self.state.evaluator
        splits = (VALIDATION, TEST) if is_first else ()
        try:
            if is_first:
                wanted.built[label] = evaluator.build_again(
                    wanted.candidates[label], wanted.before[label], progress
                )
            measured = evaluator.measure_again(wanted.built[label], progress, splits)
        except EvaluationFailure as failure:
            wanted.repeats.pop(label, None)
            wanted.lost[label] = failure.reason
        else:
            wanted.repeats.setdefault(label, []).append(measured)

    def _record(self, wanted: _Wanted, label: str) -> TrialRecord:
        """Return the record with confirmed numbers, and with the costs of the trial itself."""
        before, found = wanted.before[label], wanted.repeats[label]
        record = self.state.evaluator.record_of(wanted.built[label], found)
        searched = {name: quantity.value for name, quantity in before.quantities.items()}
        return replace(
            record, confirmation=Confirmation(len(found), searched), **before.of_the_trial()
        )

    def _keep(self) -> None:
        """Keep what was confirmed; bounds relative to the baseline follow its confirmed numbers."""
        state = self.state
        baseline = self.records.get(BASELINE)
        facts = state.facts_with(baseline or state.usable_baseline)
        study_attributes.keep_confirmed(
            state.study,
            len(state.trials),
            {n: judged(record, facts) for n, record in _by_number(self.records).items()},
            baseline,
            bounds=facts.bounds,
            lost=_by_number(self.lost),
        )
        study_attributes.keep_spreads(state.study, state.evaluator.spreads)

    def _say_what_was_lost(self) -> None:
        if BASELINE in self.lost:
            text = f"The baseline couldn't be measured again ({self.lost[BASELINE]})"
            self.state.observe(Notice(f"{text}; what is compared with it is the search's."))
        if self.lost and not _by_number(self.records):
            reasons = "; ".join(dict.fromkeys(self.lost.values()))
            self.state.observe(Notice(f"Nothing of the front could be measured again: {reasons}"))

    def _affordable_points(self, rounds: int) -> int:
        left_s, timeout_s = self.budget.time_left_s(), self.budget.timeout_s
        if left_s is None or timeout_s is None:
            return MOST_POINTS
        usable_s = left_s + _GRACE * timeout_s
        return sum(self._needed_s(n, rounds) <= usable_s for n in range(1, MOST_POINTS + 1))

    def _needed_s(self, points: int, rounds: int) -> float:
        return rounds * (points + 1) * self.state.measuring_s()


def _by_number(found: Mapping[str, _T]) -> dict[int, _T]:
    """Return what was found of trials by their number, without the baseline."""
    return {int(label): each for label, each in found.items() if label != BASELINE}
