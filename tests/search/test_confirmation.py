"""What is measured again, in which order, and what becomes of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from evaluators.bench import TEST, VALIDATION, Measured
from evaluators.candidate import Candidate
from evaluators.failures import CandidateRejected
from search.confirmation import Confirmer, points_to_confirm
from search.records import NumberedRecord


def numbers(trials):
    return [trial.number for trial in trials]


def test_members_come_first_and_then_what_was_nearly_one(build):
    run = build.run(
        build.record(1.0, 4.0, 0.95),
        build.record(0.5, 8.0, 0.94),
        build.record(1.03, 4.0, 0.95),  # 1.5 resolutions slower
        build.record(1.0, 4.04, 0.945),  # 1 resolution larger, half a point less accurate
        build.record(1.0, 4.2, 0.95),  # 5 resolutions larger
        build.record(1.5, 4.0, 0.95),
        build.record(0.1, 1.0, 0.5, violations={"accuracy": 0.4}),
    )
    assert numbers(points_to_confirm(run)) == [1, 0, 3, 2]


def test_never_more_than_twelve_and_the_widest_are_kept(build):
    rng = np.random.default_rng(0)
    speeds = np.sort(rng.uniform(1, 10, 30))
    records = [build.record(float(v), float(40 / v), 0.9) for v in speeds]
    chosen = points_to_confirm(build.run(*records))
    assert len(chosen) == 12
    assert {0, 29} <= set(numbers(chosen))
    assert numbers(points_to_confirm(build.run(*records), most=2)) == [0, 29]


def test_nothing_on_the_front_is_nothing_to_confirm(build):
    assert points_to_confirm(build.run(build.failed("rejected"))) == []


class FakeEvaluator:
    """Measures as a script says, and remembers what it was asked for."""

    def __init__(self, build, broken=()):
        self.build_record, self.broken = build.record, broken
        self.asked, self.learned = [], []

    def build(self, candidate, _label):
        return candidate

    def measure_again(self, built, label, splits):
        self.asked.append((label, built.engine, tuple(splits)))
        if built.engine in self.broken:
            raise CandidateRejected("crashed with SIGSEGV.")
        return Measured({}, [], {"count": len(self.asked)})

    def learn(self, repeats):
        self.learned.append(len(repeats))

    def record_of(self, built, repeats, _clock):
        return self.build_record(2.0, params={"engine": built.engine}, facts={"n": len(repeats)})


def confirm(build, names="abc", *, broken=(), stop_after=None, seed=0, rounds=3):
    evaluator = FakeEvaluator(build, broken)
    points = [
        NumberedRecord(number, "complete", build.record(1.0, params={"engine": name}))
        for number, name in enumerate(names)
    ]
    confirmer = Confirmer(
        evaluator,
        lambda point: Candidate(point.record.engine, "int8"),
        lambda: stop_after is not None and len(evaluator.asked) >= stop_after,
        seed,
    )
    baseline = (Candidate("baseline", "fp32"), build.record(3.0))
    return evaluator, confirmer.confirm(points, baseline, rounds)


def by_round(evaluator, count):
    names = [engine for _, engine, _ in evaluator.asked]
    return [names[start : start + count] for start in range(0, len(names), count)]


def test_every_round_holds_every_point_and_the_baseline_in_another_order(build):
    evaluator, _ = confirm(build, "abcdef")
    rounds = by_round(evaluator, 7)
    assert len(rounds) == 3
    assert all(sorted(each) == sorted([*"abcdef", "baseline"]) for each in rounds)
    assert all(one != other for one, other in itertools.combinations(rounds, 2))
    assert evaluator.asked[0][0] == "confirming, round 1 of 3, 1/7"


def test_the_order_is_the_seeds(build):
    orders = [by_round(confirm(build, "abcdef", seed=seed)[0], 7) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_answers_are_asked_for_once_on_both_splits(build):
    evaluator, _ = confirm(build)
    splits = [split for _, _, split in evaluator.asked]
    assert splits == [(VALIDATION, TEST)] * 4 + [()] * 8


def test_a_confirmed_record_says_what_the_search_saw(build):
    evaluator, found = confirm(build)
    record = found.records[1]
    assert record.confirmation.rounds == record.facts["n"] == 3
    assert record.confirmation.searched["latency_p90_s"] == pytest.approx(0.001)
    assert record.quantities["latency_p90_s"].value == pytest.approx(0.002)
    assert found.baseline.confirmation.searched["latency_p90_s"] == pytest.approx(0.003)
    assert evaluator.learned == [3, 3, 3, 3]


def test_a_point_that_breaks_is_lost_with_its_reason_and_costs_no_other(build):
    _, found = confirm(build, broken="b")
    assert sorted(found.records) == [0, 2]
    assert found.lost == {1: "crashed with SIGSEGV."}


def test_a_baseline_that_breaks_leaves_the_points(build):
    _, found = confirm(build, broken=("baseline",))
    assert found.baseline is None
    assert sorted(found.records) == [0, 1, 2]
    assert found.lost == {}


def test_half_a_confirmation_is_none(build):
    evaluator, found = confirm(build, stop_after=5)
    assert found is None
    assert len(evaluator.asked) == 5
