"""The rounds of confirmation: their order, what is kept of them, and what stops them."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import pytest

from evaluators.bench import TEST, VALIDATION
from evaluators.built import Measured
from evaluators.candidate import Candidate
from evaluators.failures import CandidateRejected
from evaluators.measurement import Quantity
from search import study_attributes
from search.budget import Budget
from search.confirmer import Confirmer
from search.events import ConfirmationStarted, FrontConfirmed, Notice
from search.records import NumberedRecord, Run
from search.study_attributes import RECORD, run_of_study


class FakeEvaluator:
    """Measures what a script says of each name, in ms, and remembers what it was asked for."""

    spreads: ClassVar[dict] = {}

    def __init__(self, build, again_ms, broken):
        self.make, self.again_ms, self.broken = build.record, again_ms, broken
        self.asked, self.learned = [], []

    def staying_on(self):
        return nullcontext()

    def build_again(self, candidate, _before, _label):
        return candidate

    def measure_again(self, built, label, splits):
        self.asked.append((label, built.engine, tuple(splits)))
        if built.engine in self.broken:
            raise CandidateRejected("crashed with SIGSEGV.")
        return Measured({"latency_p50_s": Quantity(1.0, "s", "", "measured")}, [], {})

    def learn(self, repeats):
        self.learned.append(len(repeats))

    def record_of(self, built, repeats):
        params, facts = {"engine": built.engine}, {"n": len(repeats)}
        latency_ms, memory_mib = self.again_ms[built.engine]
        return self.make(latency_ms, memory_mib, params=params, facts=facts)


@pytest.fixture
def confirm(build, study):
    """Return a function that confirms a front of points by name, (latency ms, memory MiB) each.

    It returns the evaluator, the run that is read back, and the events.
    """

    def run(points, *, again=None, broken=(), stop_after=None, timeout_s=None, **settings):
        live, events = study(), []
        baseline = build.record(9.0, 9.0)
        facts = build.facts(**settings.get("facts", {}))
        study_attributes.keep_facts(live, facts)
        study_attributes.keep_baseline(live, baseline)
        trials = []
        for number, (name, numbers) in enumerate(points.items()):
            costs = {"stage_seconds": {"compress": 7.0, "benchmark": 1.0}}
            record = build.record(*numbers, params={"engine": name}, **costs)
            trial = live.ask()
            trial.set_user_attr(RECORD, record.to_json())
            live.tell(trial, [*numbers, 0.95])
            trials.append(NumberedRecord(number, "complete", record))
        again_ms = {**points, "baseline": (9.0, 9.0), **(again or {})}
        evaluator = FakeEvaluator(build, again_ms, broken)
        state = SimpleNamespace(
            study=live,
            plan=SimpleNamespace(baseline=settings.get("baseline", Candidate("baseline", "fp32"))),
            evaluator=evaluator,
            observe=events.append,
            seed=settings.get("seed", 0),
            trials=trials,
            usable_baseline=baseline,
            facts_with=lambda _baseline: facts,
            snapshot=lambda: Run(facts, baseline, trials),
            candidates={t.number: Candidate(t.record.engine, "int8") for t in trials},
            measuring_s=lambda: 1.0,
        )
        budget = Budget(
            10,
            timeout_s,
            lambda: stop_after is not None and len(evaluator.asked) >= stop_after,
            lambda: 0.0,
        )
        Confirmer(state, budget).confirm(3)
        return evaluator, run_of_study(live), events

    return run


FRONT = {"a": (1.0, 6.0), "b": (2.0, 5.0), "c": (3.0, 4.0)}


def by_round(evaluator, count):
    names = [engine for _, engine, _ in evaluator.asked]
    return [names[start : start + count] for start in range(0, len(names), count)]


def test_every_round_holds_every_point_and_the_baseline_in_another_order(confirm):
    points = {name: (1.0 + place, 9.0 - place) for place, name in enumerate("abcdef")}
    evaluator, _, events = confirm(points)
    rounds = by_round(evaluator, 7)
    assert len(rounds) == 3
    assert all(sorted(each) == sorted([*"abcdef", "baseline"]) for each in rounds)
    assert all(one != other for one, other in itertools.combinations(rounds, 2))
    assert evaluator.asked[0][0] == "confirming, round 1 of 3, 1/7"
    assert [type(event) for event in events] == [ConfirmationStarted, FrontConfirmed]


def test_the_order_is_the_seeds(confirm):
    points = {name: (1.0 + place, 9.0 - place) for place, name in enumerate("abcdef")}
    orders = [by_round(confirm(points, seed=seed)[0], 7) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_answers_are_asked_for_once_on_both_splits(confirm):
    evaluator, _, _ = confirm(FRONT)
    splits = [split for _, _, split in evaluator.asked]
    assert splits == [(VALIDATION, TEST)] * 4 + [()] * 8


def test_a_confirmed_record_says_what_the_search_saw_and_what_the_trial_cost(confirm):
    evaluator, found, _ = confirm(FRONT, again={"b": (2.2, 5.0)})
    record = found.trials[1].record
    assert record.confirmation.rounds == record.facts["n"] == 3
    assert record.confirmation.searched["latency_p90_s"] == pytest.approx(0.002)
    assert record.quantities["latency_p90_s"].value == pytest.approx(0.0022)
    assert record.stage_seconds == {"compress": 7.0, "benchmark": 1.0}
    assert found.baseline.is_confirmed
    assert evaluator.learned == [3, 3, 3, 3]


def test_a_point_that_breaks_is_lost_with_its_reason_and_costs_no_other(confirm):
    _, found, events = confirm(FRONT, broken="b")
    assert [trial.record.is_confirmed for trial in found.trials] == [True, False, True]
    assert found.lost == events[-1].run.lost == {1: "crashed with SIGSEGV."}


def test_a_baseline_that_breaks_leaves_the_points_and_is_said(confirm):
    _, found, events = confirm(FRONT, broken=("baseline",))
    assert not found.baseline.is_confirmed
    assert all(trial.record.is_confirmed for trial in found.trials)
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert "The baseline couldn't be measured again (crashed with SIGSEGV.)" in notice


def test_where_everything_breaks_nothing_is_confirmed_and_that_is_said(confirm):
    _, found, events = confirm(FRONT, broken=("a", "b", "c"))
    assert not found.is_confirmed
    assert "Nothing of the front could be measured again" in events[-1].text


def test_half_a_confirmation_is_none(confirm):
    evaluator, found, _ = confirm(FRONT, stop_after=5)
    assert not found.is_confirmed
    assert len(evaluator.asked) == 5


def test_stopping_after_the_last_measurement_loses_nothing(confirm):
    _, found, _ = confirm(FRONT, stop_after=12)
    assert found.is_confirmed


def test_without_time_for_the_whole_front_nothing_is_confirmed(confirm):
    """Four artifacts in three rounds of a second each, of which a tenth may come later: 11 s."""
    evaluator, found, events = confirm(FRONT, timeout_s=10.8)
    assert evaluator.asked == []
    assert not found.is_confirmed
    assert "There was no time to confirm the 3 points" in events[-1].text
    assert confirm(FRONT, timeout_s=11.0)[1].is_confirmed


def test_what_a_worse_member_had_hidden_comes_to_light_and_is_confirmed_too(confirm):
    points = {"a": (1.0, 4.0), "b": (1.5, 4.5), "c": (2.0, 3.0)}
    evaluator, found, _ = confirm(points, again={"a": (2.5, 4.0)})
    assert [trial.record.is_confirmed for trial in found.trials] == [True, True, True]
    assert by_round(evaluator, 3)[:3] != []
    assert [name for _, name, _ in evaluator.asked[-3:]] == ["b", "b", "b"]


def test_a_point_that_is_the_baseline_is_measured_once(confirm):
    baseline = Candidate("b", "int8")
    evaluator, found, _ = confirm(FRONT, baseline=baseline)
    assert [name for _, name, _ in evaluator.asked].count("b") == 3
    again = found.trials[1].record
    assert again.quantities == found.baseline.quantities
    assert again.is_confirmed


def test_a_point_that_is_a_lost_baseline_is_lost_with_it(confirm):
    evaluator, found, _ = confirm(FRONT, baseline=Candidate("b", "int8"), broken="b")
    assert [name for _, name, _ in evaluator.asked].count("b") == 1
    assert found.lost == {1: "crashed with SIGSEGV."}
    assert [trial.record.is_confirmed for trial in found.trials] == [True, False, True]


def test_time_is_kept_back_by_the_size_of_the_front(build):
    trials = [
        NumberedRecord(n, "complete", build.record(*numbers)) for n, numbers in
        enumerate(FRONT.values())
    ]  # fmt: skip
    run = replace(build.run(), trials=trials)
    state = SimpleNamespace(snapshot=lambda: run, measuring_s=lambda: 2.0)
    confirmer = Confirmer(state, Budget(10, None, lambda: False))
    assert confirmer.reserve_s(3) == pytest.approx(1.25 * 3 * 5 * 2.0)  # one member more
    assert confirmer.reserve_s(0) == 0.0
