import gc

import pytest

from evaluators.benchmark.timing import TimingSettings, measure_latency, measure_throughput
from evaluators.failures import CandidateRejected


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


def measure(duration_s, batches=("a", "b", "c"), **settings):
    clock = FakeClock()
    session = FakeSession(clock, duration_s)
    return session, measure_latency(session, batches, TimingSettings(**settings), clock)


def test_samples_are_what_the_clock_saw():
    _, samples = measure(lambda _: 0.01, min_queries=64, min_duration_s=0.0)
    assert samples.timed_s == pytest.approx([0.01] * 64)
    assert samples.is_steady


def test_the_duration_minimum_counts_where_queries_are_quick():
    _, samples = measure(lambda _: 0.01, min_queries=64, min_duration_s=1.0)
    assert len(samples.timed_s) == 100


def test_the_query_minimum_counts_where_queries_are_slow():
    _, samples = measure(lambda _: 0.5, min_queries=64, min_duration_s=1.0)
    assert len(samples.timed_s) == 64


def test_inputs_vary():
    session, _ = measure(lambda _: 0.01)
    assert set(session.seen[:3]) == {"a", "b", "c"}


def test_warm_up_goes_on_until_the_median_is_steady():
    def slow_start(n):
        return [0.08, 0.04, 0.02][n // 16] if n < 48 else 0.01

    _, samples = measure(slow_start, warmup_window_s=0.0)
    assert samples.warmup_s == pytest.approx([0.08] * 16 + [0.04] * 16 + [0.02] * 16 + [0.01] * 32)
    assert samples.timed_s[:99] == pytest.approx([0.01] * 99)


def test_a_run_that_never_settles_says_so():
    def doubling(n):
        return 0.001 * 2 ** (n // 16 % 7)

    _, samples = measure(doubling, warmup_window_s=0.0, warmup_limit_s=1.0)
    assert not samples.is_steady


def test_garbage_collection_is_held_off_and_comes_back():
    session, _ = measure(lambda _: 0.01)
    assert not any(session.gc_was_on)
    assert gc.isenabled()


def test_too_slow_is_a_reason_and_not_an_endless_wait():
    with pytest.raises(CandidateRejected, match=r"too slow to measure: .* of at least 64 queries"):
        measure(lambda _: 3.0, timeout_s=120.0, warmup_window_queries=2)
    assert gc.isenabled()


def test_no_batches_is_an_error():
    with pytest.raises(ValueError, match="at least one batch"):
        measure(lambda _: 0.01, batches=())


def test_throughput_counts_every_batch_over_the_whole_time():
    clock = FakeClock()
    session = FakeSession(clock, lambda _: 0.02)
    assert measure_throughput(session, ["a", "b"], 0.3, clock) == pytest.approx(50.0)
