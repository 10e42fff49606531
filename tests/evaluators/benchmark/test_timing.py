import gc
import itertools

import pytest

from evaluators.benchmark.timing import (
    TimingSettings,
    garbage_collection_held_off,
    measure_latency,
    measure_loop_overhead,
    measure_throughput,
    warm_up,
)
from evaluators.failures import CandidateRejected

pytestmark = pytest.mark.measures


class FakeClock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class FakeSession:
    """Takes the seconds that ``duration_s`` gives for the n-th inference."""

    def __init__(self, clock, duration_s):
        self.clock, self.duration_s = clock, duration_s
        self.seen, self.gc_was_on = [], []

    def infer(self, prepared):
        self.clock.now_s += self.duration_s(len(self.seen))
        self.seen.append(prepared)
        self.gc_was_on.append(gc.isenabled())

    def infer_all(self, prepared):
        for batch in prepared:
            self.infer(batch)


BATCHES = ("a", "b", "c")


def fake(duration_s):
    clock = FakeClock()
    return FakeSession(clock, duration_s), clock


def timed(duration_s, batches=BATCHES, **settings):
    session, clock = fake(duration_s)
    return session, measure_latency(session, batches, TimingSettings(**settings), clock)


def warmed(duration_s, **settings):
    session, clock = fake(duration_s)
    return warm_up(session, BATCHES, TimingSettings(**settings), clock)


def test_samples_are_what_the_clock_saw():
    _, samples = timed(lambda _: 0.01, min_queries=64, min_duration_s=0.0)
    assert samples == pytest.approx([0.01] * 64)


def test_the_duration_minimum_counts_where_queries_are_quick():
    _, samples = timed(lambda _: 0.01, min_queries=64, min_duration_s=1.0)
    assert len(samples) == 100


def test_the_query_minimum_counts_where_queries_are_slow():
    _, samples = timed(lambda _: 0.5, min_queries=64, min_duration_s=1.0)
    assert len(samples) == 64


def test_inputs_vary():
    session, _ = timed(lambda _: 0.01)
    assert set(session.seen[:3]) == {"a", "b", "c"}


def test_warm_up_goes_on_until_the_median_is_steady():
    def slow_start(n):
        return [0.008, 0.004, 0.002][(n - 1) // 16] if 0 < n < 49 else 0.001

    found = warmed(slow_start, warmup_window_s=0.0)
    windows = [0.008] * 16 + [0.004] * 16 + [0.002] * 16 + [0.001] * 32
    assert found.samples_s == pytest.approx([0.001, *windows])
    assert found.is_steady


def test_a_slow_model_is_warmed_up_in_small_windows():
    found = warmed(lambda _: 1.0, warmup_limit_s=3.0)
    assert found.is_steady
    assert len(found.samples_s) == 1 + 3 + 3  # one to see how slow it is, then two windows


def test_a_warm_up_that_never_settles_says_so():
    def doubling(n):
        return 0.001 * 2 ** (n // 16 % 7)

    assert not warmed(doubling, warmup_window_s=0.0, warmup_limit_s=1.0).is_steady


def test_garbage_collection_is_held_off_and_comes_back():
    session, clock = fake(lambda _: 0.01)
    with garbage_collection_held_off():
        measure_latency(session, BATCHES, TimingSettings(), clock)
    assert not any(session.gc_was_on)
    assert gc.isenabled()


def test_garbage_collection_comes_back_after_an_error():
    with pytest.raises(OSError, match="gone"), garbage_collection_held_off():
        raise OSError("gone")
    assert gc.isenabled()


@pytest.mark.parametrize("measure", [timed, warmed])
def test_too_slow_is_a_reason_and_not_an_endless_wait(measure):
    with pytest.raises(CandidateRejected, match=r"too slow to measure: .* of at least \d+ queries"):
        measure(lambda _: 50.0, timeout_s=120.0)


@pytest.mark.parametrize("measure", [measure_latency, warm_up])
def test_no_batches_is_an_error(measure):
    with pytest.raises(ValueError, match="at least one batch"):
        measure(None, (), TimingSettings())


def test_the_loop_itself_costs_what_a_call_of_nothing_takes():
    ticks = itertools.count()
    assert measure_loop_overhead(lambda: next(ticks) * 1e-7) == pytest.approx(1e-7)


def test_the_loop_is_no_part_of_a_model_of_twenty_microseconds():
    assert measure_loop_overhead() < 0.05 * 20e-6


def test_throughput_counts_every_batch_over_the_whole_time():
    clock = FakeClock()
    session = FakeSession(clock, lambda _: 0.02)
    assert measure_throughput(session, ["a", "b"], 0.3, clock) == pytest.approx(50.0)
