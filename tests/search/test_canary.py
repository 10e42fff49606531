from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from evaluators.built import Measured
from evaluators.failures import DeviceLost
from evaluators.measurement import Quantity
from search.budget import Budget
from search.canary import Canary

INTERVAL_S = 60.0


class FakeEvaluator:
    """Times the baseline as often as there are values; an exception is raised, text is a flag."""

    def __init__(self, values_ms):
        self.values_ms = list(values_ms)
        self.learned = []
        self.boards = (None,)
        self.left_out = []
        self.board = None

    @contextmanager
    def staying_on(self, board):
        self.board = board
        yield

    def leave_out(self, board):
        self.left_out.append(board)

    def build_again(self, candidate, _before, _label):
        return candidate

    def measure_again(self, _built, _label):
        value = self.values_ms.pop(0)
        if isinstance(value, Exception):
            raise value
        value, flags = value if isinstance(value, tuple) else (value, [])
        latency = Quantity(value / 1e3, "s", "p50", "measured")
        return Measured({"latency_p50_s": latency}, flags, {"board": self.board})

    def learn(self, repeats):
        self.learned.append([r.quantities["latency_p50_s"].value for r in repeats])


class FakeClock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def canary(build):
    """Return a function that makes a canary of a baseline of 1 ms, and its evaluator."""

    def make(*values_ms, clock=None, flags=(), trials=()):
        baseline = build.record(more={"latency_p50_ms": 1.0}, flags=list(flags))
        evaluator = FakeEvaluator(values_ms)
        space = SimpleNamespace(measuring=SimpleNamespace(canary_interval_s=INTERVAL_S))
        state = SimpleNamespace(
            evaluator=evaluator,
            plan=SimpleNamespace(space=space, baseline="baseline"),
            usable_baseline=baseline,
            trials=list(trials),
        )
        budget = Budget(10, None, lambda: False)
        return Canary(state, budget, clock or FakeClock()), evaluator

    return make


def test_it_is_due_once_the_interval_has_passed(canary):
    clock = FakeClock()
    found, _ = canary(clock=clock)
    assert not found.is_due
    clock.now_s += INTERVAL_S
    assert found.is_due


def test_an_estimate_is_never_read_again(canary):
    clock = FakeClock()
    found, _ = canary(clock=clock)
    numbers = found.state.usable_baseline.quantities
    numbers["latency_p50_s"] = Quantity(0.001, "s", "told", "estimated: vela")
    clock.now_s += INTERVAL_S
    assert not found.is_due


def test_a_run_that_goes_on_is_read_at_once(canary):
    assert canary(trials=["an earlier one"])[0].is_due


def test_a_reading_is_the_ratio_to_the_beginning(canary):
    reading = canary(1.02)[0].read(7)
    assert (reading.trials, reading.at_s) == (7, 100.0)
    assert reading.ratio == pytest.approx(1.02)


def test_one_process_that_lies_badly_is_no_drift(canary):
    found, evaluator = canary(1.2, 1.01)
    assert not found.read(3).has_drifted
    assert evaluator.values_ms == []


def test_a_drift_is_one_if_it_is_seen_twice_and_the_smaller_counts(canary):
    assert canary(1.2, 1.1)[0].read(3).ratio == pytest.approx(1.1)


def test_readings_teach_two_by_two_and_those_of_another_machine_do_not(canary):
    found, evaluator = canary(1.0, 1.3, 1.3, 1.2, 1.01, 0.99, 1.02)
    for trials in range(5):
        found.read(trials)
    assert evaluator.learned == [pytest.approx([0.001, 0.0012]), pytest.approx([0.00099, 0.00102])]


def test_a_disturbed_baseline_is_no_reference_and_the_first_quiet_reading_is(canary):
    found, _ = canary((2.0, ["other work"]), 0.7, 0.77, 0.77, flags=["other work"])
    assert found.read(1) is None
    assert found.read(2) is None
    assert found.read(3).ratio == pytest.approx(1.1)


def test_a_baseline_that_cannot_be_timed_any_more_is_no_reading(canary):
    assert canary(DeviceLost("unplugged"))[0].read(3) is None
    assert canary(1.2, DeviceLost("unplugged"))[0].read(3).ratio == pytest.approx(1.2)


def test_what_a_repeat_brings_onto_the_front_is_repeated_too(canary, build, monkeypatch):
    marked = ["drift: the baseline was 9 % slower just then"]
    latencies_ms = [1.5, 1.0]
    repeated = []

    def snapshot():
        return build.run(
            *(
                build.record(ms, flags=[] if n in repeated else marked)
                for n, ms in enumerate(latencies_ms)
            )
        )

    def repeat(_canary, trial):
        repeated.append(trial.number)
        latencies_ms[trial.number] = 2.0  # slower than it seemed, so the other one comes up

    found, _ = canary(1.0)
    found.state.snapshot, found.state.reread = snapshot, lambda: None
    monkeypatch.setattr(Canary, "_repeat", repeat)
    found._repeat_marked_members()
    assert repeated == [1, 0]


@pytest.fixture
def pool(canary):
    """Return a function that compares boards a, b and c; the baseline is a's."""

    def compare(*values_ms, board="a", flags=()):
        found, evaluator = canary(*values_ms, flags=flags)
        evaluator.boards = ("a", "b", "c")
        found.state.usable_baseline.facts["processes"] = [{"board": board}]
        said = []
        found.state.observe = said.append
        found.compare_boards()
        assert evaluator.values_ms == []
        return evaluator.left_out, [event.text for event in said]

    return compare


def test_a_board_that_is_not_as_fast_is_left_out(pool):
    left_out, said = pool(*(2.0, 1.0), *(1.98, 1.0), *(1.02, 1.0))
    assert left_out == ["b"]
    why = "the baseline takes 1.98 of the time there that it takes on a"
    assert said == [f"b is left out: {why}. Numbers of boards that differ don't compare."]


def test_so_is_one_that_is_faster(pool):
    assert pool(*(0.9, 1.0), *(0.9, 1.0), *(1.0, 1.0))[0] == ["b"]


def test_a_process_that_lies_badly_leaves_no_board_out(pool):
    assert pool(*(1.3, 1.0), *(1.01, 1.0), *(1.0, 1.0)) == ([], [])


def test_where_all_have_drifted_alike_none_is_left_out(pool):
    assert pool(*(1.22, 1.2), *(1.18, 1.2)) == ([], [])


def test_they_are_compared_even_if_the_baseline_was_disturbed(pool):
    assert pool(*(2.0, 1.0), *(2.0, 1.0), *(1.0, 1.0), flags=["other work"])[0] == ["b"]


def test_a_board_that_cannot_be_timed_is_left_out(pool):
    left_out, said = pool(*(DeviceLost("unplugged"), 1.0), *(1.0, 1.0))
    assert left_out == ["b"]
    assert "the baseline can't be timed there" in said[0]


def test_the_first_may_be_another_one_by_now(pool):
    assert pool(*(1.0, 1.0), *(1.0, 1.0), board="z") == ([], [])


def test_boards_are_read_one_by_one(canary):
    found, _ = canary(1.01, 1.02)
    assert [found.read(3, board).board for board in ("a", "b")] == ["a", "b"]
