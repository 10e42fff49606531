"""One loaded model, measured: what is timed, what the meter and the watch saw, what it agrees with.

::

    first inference -> warm up -> time (meter and watch running) -> throughput -> device's own time
"""

from __future__ import annotations

import statistics
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from evaluators.benchmark import memory
from evaluators.benchmark.accuracy import take_batch
from evaluators.benchmark.disturbance import Watch
from evaluators.benchmark.timing import (
    TimingSettings,
    garbage_collection_held_off,
    measure_latency,
    measure_loop_overhead,
    measure_throughput,
    warm_up,
)
from evaluators.engines.engine import Session
from evaluators.failures import CandidateRejected
from evaluators.meters.meter import Meter

VARIED_INPUTS = 8
"""How many different batches the timed loop goes through."""
_DEVICE_TIME_QUERIES = 64


class _Timed(NamedTuple):
    """What the timed loop saw: seconds per query, what it took, and what disturbed it."""

    samples_s: List[float]
    energy: Dict[str, Any]
    disturbance: Dict[str, Any]


def measure_session(
    session: Session,
    inputs: Sequence[np.ndarray],
    batch_size: int,
    settings: TimingSettings,
    watch: Watch,
    meter: Optional[Meter],
) -> Tuple[Dict[str, Any], List[np.ndarray]]:
    """Run one loaded model through everything that is timed.

    Args:
        session: The model.
        inputs: One array of shape (n, ...) for each input of the model; several batches of it are
            gone through.
        batch_size: What the model was compiled for.
        settings: Of the warm-up and the timed loop, which lasts at least as long as the meter
            needs.
        watch: Says what disturbed the timed loop.
        meter: Reads power meanwhile, where there is one.

    Returns:
        What was found, by name, and two arrays of seconds per query: timed, and of the warm-up. The
        peak of memory leaves out the varied inputs, which are ours, not the model's.
    """
    if meter is not None:
        duration_s = max(settings.min_duration_s, meter.shortest_s)
        settings = settings._replace(min_duration_s=duration_s)
    varied = _varied_batches(inputs, batch_size)
    first = session.prepare(next(varied))
    session.infer(first)
    peak_after_first = memory.peak_bytes()
    rest = [session.prepare(batch) for batch in varied]
    batches = [first, *rest]
    with garbage_collection_held_off():
        warm = warm_up(session, batches, settings)
        timed = _timed(session, batches, settings, watch, meter)
        overhead_s = measure_loop_overhead()
    peak = memory.peak_bytes()
    if peak is not None and peak_after_first is not None:
        ours = len(rest) * sum(array[:batch_size].nbytes for array in inputs)
        peak = max(peak_after_first, peak - ours)
    body = {
        "is_steady": warm.is_steady,
        "throughput_per_s": measure_throughput(session, batches, settings.offline_s) * batch_size,
        "device_time_s": _device_time_s(session, batches),
        "device_memory": session.device_memory(),
        "energy": timed.energy,
        "disturbance": timed.disturbance,
        "loop_overhead_s": overhead_s,
        "peak_bytes": peak,
    }
    return body, [np.array(timed.samples_s), np.array(warm.samples_s)]


def check_agreement(session: Session, inputs: Sequence[np.ndarray], batch_size: int) -> None:
    """Compare the session's answers with the CPU's, once nothing is timed any more.

    Raises:
        CandidateRejected: If they don't agree.
    """
    reason = session.disagreement(list(_varied_batches(inputs, batch_size)))
    if reason is not None:
        raise CandidateRejected(reason)


def _varied_batches(inputs: Sequence[np.ndarray], batch_size: int) -> Iterator[List[np.ndarray]]:
    """Yield the batches one by one: each takes memory that isn't the model's."""
    for index in range(min(VARIED_INPUTS, max(1, len(inputs[0]) // batch_size))):
        yield take_batch(inputs, index * batch_size, batch_size)


def _timed(
    session: Session,
    batches: Sequence[Any],
    settings: TimingSettings,
    watch: Watch,
    meter: Optional[Meter],
) -> _Timed:
    """Run the timed loop with the watch around it, and the meter, which may wait, around both."""
    if meter is not None:
        meter.start()
    watch.start()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    samples = measure_latency(session, batches, settings)
    seconds = time.perf_counter() - wall_s
    cpu_time_s = time.process_time() - cpu_s
    disturbance = watch.stop()
    reading = None if meter is None else meter.stop()._asdict()
    energy = {"seconds": seconds, "cpu_time_s": cpu_time_s, "reading": reading}
    return _Timed(samples, energy, disturbance)


def _device_time_s(session: Session, batches: Sequence[Any]) -> Optional[float]:
    """Return the median of the device's own time for one batch, or None where it keeps none."""
    if session.device_time_s(batches[0]) is None:
        return None
    seconds = [
        session.device_time_s(batches[index % len(batches)])
        for index in range(_DEVICE_TIME_QUERIES)
    ]
    return statistics.median([each for each in seconds if each is not None])
