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
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, NamedTuple, Sequence

from evaluators.engines.engine import Session
from evaluators.failures import CandidateRejected

Clock = Callable[[], float]

_OVERHEAD_QUERIES = 2000
_WARMUP_WINDOWS = 6
_FEWEST_WARMUP_QUERIES = 3
_TINY_S = 1e-9


class TimingSettings(NamedTuple):
    """When to stop.

    ``min_queries`` is the fewest with which MLPerf's early stopping can vouch for the percentile
    that is asked for: `evaluators.statistics.fewest_queries`.
    """

    min_queries: int = 64
    min_duration_s: float = 1.0
    warmup_window_queries: int = 16
    warmup_window_s: float = 0.05
    warmup_limit_s: float = 3.0
    steady_ratio: float = 1.05
    offline_s: float = 0.3
    timeout_s: float = 120.0


class WarmUp(NamedTuple):
    """Seconds per inference before the timed ones, and whether they became steady."""

    samples_s: List[float]
    is_steady: bool


@contextmanager
def garbage_collection_held_off() -> Iterator[None]:
    """Collect now and not again until the end: a collection is Python's work, not the model's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def warm_up(
    session: Session,
    batches: Sequence[Any],
    settings: TimingSettings,
    clock: Clock = time.perf_counter,
) -> WarmUp:
    """Run windows until the median of one lies within ``steady_ratio`` of the one before.

    A slow model gets smaller windows, so that there are several before ``warmup_limit_s``; at least
    two of three queries are always compared.

    Raises:
        ValueError: If ``batches`` is empty.
        CandidateRejected: If it outlasts ``settings.timeout_s``.
    """
    _check_batches(batches)
    begin = clock()
    deadline = begin + settings.timeout_s
    samples = _run(session.infer, batches, 1, 0.0, clock, deadline)
    fitting = int(settings.warmup_limit_s / _WARMUP_WINDOWS / max(samples[0], _TINY_S))
    queries = max(_FEWEST_WARMUP_QUERIES, min(settings.warmup_window_queries, fitting))
    previous = 0.0
    while True:
        window = _run(session.infer, batches, queries, settings.warmup_window_s, clock, deadline)
        samples += window
        median = statistics.median(window)
        if previous and max(median, previous) <= settings.steady_ratio * min(median, previous):
            return WarmUp(samples, True)
        if previous and clock() >= begin + settings.warmup_limit_s:
            return WarmUp(samples, False)
        previous = median


def measure_latency(
    session: Session,
    batches: Sequence[Any],
    settings: TimingSettings,
    clock: Clock = time.perf_counter,
) -> List[float]:
    """Time single_stream inference: one batch in flight, the next starts when it ends.

    Batches are used in turn, so a runtime that caches its last input gains nothing. Copies between
    host and device count, because ``Session.infer`` returns host memory.

    Args:
        session: A loaded engine, warmed up.
        batches: Prepared inputs; at least one.
        settings: When to stop.
        clock: Monotonic clock, seconds. Tests pass a fake one.

    Returns:
        Seconds per inference in the order measured; nothing is dropped, averaged or rounded.

    Raises:
        ValueError: If ``batches`` is empty.
        CandidateRejected: If the run outlasts ``settings.timeout_s``.
    """
    _check_batches(batches)
    deadline = clock() + settings.timeout_s
    return _run(
        session.infer, batches, settings.min_queries, settings.min_duration_s, clock, deadline
    )


def measure_loop_overhead(clock: Clock = time.perf_counter) -> float:
    """Return the seconds that the loop itself adds to every sample: the median of timing nothing.

    It is one call of a Python method and one reading of the clock, and stays in the samples.
    """
    samples = _run(_do_nothing, [None], _OVERHEAD_QUERIES, 0.0, clock, float("inf"))
    return statistics.median(samples)


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


def _run(
    infer: Callable[[Any], Any],
    batches: Sequence[Any],
    min_queries: int,
    min_duration_s: float,
    clock: Clock,
    deadline: float,
) -> List[float]:
    samples: List[float] = []
    count = len(batches)
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


def _do_nothing(_batch: Any) -> None:
    """Stand in for a model that takes no time."""


def _check_batches(batches: Sequence[Any]) -> None:
    if not batches:
        raise ValueError("batches must hold at least one batch, but is empty.")
