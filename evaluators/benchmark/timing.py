"""Latency and throughput of a loaded session. Raw samples are kept; statistics come later.

How this differs from the usual ten warm-ups and twenty repeats: the warm-up goes on until it is
steady, inputs vary, and the run ends when a query minimum and a duration minimum are both met [1].

References:
    [1] MLPerf LoadGen, loadgen/test_settings.h, "Test duration".
"""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any, Callable, List, NamedTuple, Sequence

from evaluators.engines.engine import Session
from evaluators.failures import CandidateRejected

Clock = Callable[[], float]


class TimingSettings(NamedTuple):
    """When to stop.

    ``min_queries`` is 64 for a p90 and 662 for a p99: the fewest with which MLPerf's early stopping
    can vouch for the percentile at 99 % confidence.
    """

    min_queries: int = 64
    min_duration_s: float = 1.0
    warmup_window_queries: int = 16
    warmup_window_s: float = 0.05
    warmup_limit_s: float = 3.0
    steady_ratio: float = 1.05
    offline_s: float = 0.3
    timeout_s: float = 120.0


class LatencySamples(NamedTuple):
    """Seconds per inference in the order measured; nothing is dropped, averaged or rounded."""

    timed_s: List[float]
    warmup_s: List[float]
    is_steady: bool


def measure_latency(
    session: Session,
    batches: Sequence[Any],
    settings: TimingSettings,
    clock: Clock = time.perf_counter,
) -> LatencySamples:
    """Time single_stream inference: one batch in flight, the next starts when it ends.

    Batches are used in turn, so a runtime that caches its last input gains nothing. Copies between
    host and device count, because ``Session.infer`` returns host memory. Garbage collection is held
    off, because it is Python's and not the model's.

    Args:
        session: A loaded engine.
        batches: Prepared inputs; at least one.
        settings: When to stop.
        clock: Monotonic clock, seconds. Tests pass a fake one.

    Raises:
        ValueError: If ``batches`` is empty.
        CandidateRejected: If the run outlasts ``settings.timeout_s``.
    """
    if not batches:
        raise ValueError("batches must hold at least one batch, but is empty.")
    gc.collect()
    gc.disable()
    try:
        deadline = clock() + settings.timeout_s
        warmup, is_steady = _warm_up(session, batches, settings, clock, deadline)
        timed = _run(
            session, batches, settings.min_queries, settings.min_duration_s, clock, deadline
        )
    finally:
        gc.enable()
    return LatencySamples(timed, warmup, is_steady)


def measure_throughput(
    session: Session,
    batches: Sequence[Any],
    min_duration_s: float,
    clock: Clock = time.perf_counter,
) -> float:
    """Return batches per second in the offline scenario: all inputs are there from the start."""
    done, start = 0, clock()
    while True:
        session.infer_all(batches)
        done += len(batches)
        elapsed = clock() - start
        if elapsed >= min_duration_s:
            return done / elapsed


def _warm_up(
    session: Session,
    batches: Sequence[Any],
    settings: TimingSettings,
    clock: Clock,
    deadline: float,
) -> Any:
    """Run windows until the median of one lies within ``steady_ratio`` of the one before."""
    samples: List[float] = []
    previous = 0.0
    limit = clock() + settings.warmup_limit_s
    while True:
        window = _run(
            session,
            batches,
            settings.warmup_window_queries,
            settings.warmup_window_s,
            clock,
            deadline,
        )
        samples += window
        median = statistics.median(window)
        if previous and max(median, previous) <= settings.steady_ratio * min(median, previous):
            return samples, True
        if clock() >= limit:
            return samples, False
        previous = median


def _run(
    session: Session,
    batches: Sequence[Any],
    min_queries: int,
    min_duration_s: float,
    clock: Clock,
    deadline: float,
) -> List[float]:
    samples: List[float] = []
    infer, count = session.infer, len(batches)
    begin = clock()
    while True:
        batch = batches[len(samples) % count]
        start = clock()
        infer(batch)
        end = clock()
        samples.append(end - start)
        if len(samples) >= min_queries and end - begin >= min_duration_s:
            return samples
        if end > deadline:
            raise CandidateRejected(
                "too slow to measure: {} of at least {} queries in the time limit, {:.3g} s "
                "each.".format(len(samples), min_queries, statistics.median(samples))
            )
