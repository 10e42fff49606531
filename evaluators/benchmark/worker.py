"""The measuring process: a fresh one for every artifact, one engine and nothing else in it.

::

    request -> pin -> import the runtime -> reset peak memory -> load -> first inference
            -> warm up -> time (meter running) -> throughput -> peak memory -> outputs -> answer

Run as ``python -m evaluators.benchmark.worker``; it answers requests as `evaluators.service` says.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

from evaluators.benchmark import memory
from evaluators.benchmark.accuracy import collect_outputs, take_batch
from evaluators.benchmark.environment import read_environment, usable_cpus
from evaluators.benchmark.timing import TimingSettings, measure_latency, measure_throughput
from evaluators.engines import load_engine
from evaluators.engines.engine import Session
from evaluators.framing import Message
from evaluators.meters import load_meter
from evaluators.meters.meter import EnergyReading, Meter
from evaluators.service import Answer, serve

VARIED_INPUTS = 8
"""How many different batches the timed loop goes through."""


class Energy(NamedTuple):
    """What the timed loop took: CPU seconds always, joules where there is a meter."""

    seconds: float
    cpu_time_s: float
    reading: Optional[EnergyReading]
    idle_power_w: Optional[float]


def handle(message: Message) -> Answer:
    """Compile a model, or benchmark what was compiled."""
    job = message.body
    return compile_model(job) if job["kind"] == "compile" else benchmark(job)


def compile_model(job: Dict[str, Any]) -> Answer:
    """Compile for this device; the answer is what `evaluators.engines.engine.Compiled` holds."""
    engine = load_engine(job["engine"])
    compiled = engine.compile(
        Path(job["model"]), job["precision"], job["flags"], Path(job["out_dir"])
    )
    return compiled._asdict(), []


def benchmark(job: Dict[str, Any]) -> Answer:
    """Measure one artifact; outputs of the whole split come back as arrays."""
    engine = load_engine(job["engine"])
    environment = read_environment()  # before pinning: the estimate needs all of the device's CPUs
    cpus = _pin(engine.thread_count(job["flags"]))
    inputs = [np.load(path, allow_pickle=False) for path in job["inputs"]]
    meter = load_meter(job["meter"], job["meter_program"]) if job["meter"] else None
    idle_power_w = None if meter is None else _idle_power_w(meter)
    version = engine.load_runtime()
    can_reset = memory.reset_peak()
    before_bytes = memory.peak_bytes()
    compiled = Path(job["compiled"])
    started = time.perf_counter()
    with engine.open(compiled, job["artifact"], job["precision"], job["flags"]) as session:
        load_s = time.perf_counter() - started
        measured = _measure(session, inputs, job, meter, idle_power_w)
        outputs = collect_outputs(session, inputs, job["batch_size"])
    peak = measured.pop("peak_bytes")
    known = peak is not None and before_bytes is not None and can_reset
    measured["peak_memory_bytes"] = max(0, peak - before_bytes) if known else None
    measured.update(load_s=load_s, runtime_version=version, cpus=cpus, environment=environment)
    return measured, outputs


def _measure(
    session: Session,
    inputs: List[np.ndarray],
    job: Dict[str, Any],
    meter: Optional[Meter],
    idle_power_w: Optional[float],
) -> Dict[str, Any]:
    """Time the session. The peak leaves out the varied inputs, which are ours, not the model's."""
    settings = TimingSettings(**job["timing"])
    if meter is not None:
        duration_s = max(settings.min_duration_s, meter.shortest_s)
        settings = settings._replace(min_duration_s=duration_s)
    batch_size = job["batch_size"]
    first = session.prepare(take_batch(inputs, 0, batch_size))
    session.infer(first)
    peak_after_first = memory.peak_bytes()
    rest = [
        session.prepare(take_batch(inputs, index * batch_size, batch_size))
        for index in range(1, min(VARIED_INPUTS, max(1, len(inputs[0]) // batch_size)))
    ]
    batches = [first, *rest]
    loop = _EnergyLoop(meter)
    samples = measure_latency(session, batches, settings)
    energy = loop.stop(idle_power_w)
    peak = memory.peak_bytes()
    if peak is not None and peak_after_first is not None:
        ours = len(rest) * sum(array[:batch_size].nbytes for array in inputs)
        peak = max(peak_after_first, peak - ours)
    return {
        "timed_s": samples.timed_s,
        "warmup_s": samples.warmup_s,
        "is_steady": samples.is_steady,
        "throughput_per_s": measure_throughput(session, batches, settings.offline_s) * batch_size,
        "energy": {
            **energy._asdict(),
            "reading": None if energy.reading is None else energy.reading._asdict(),
        },
        "peak_bytes": peak,
    }


class _EnergyLoop:
    """CPU time and, where there is a meter, joules from construction to `stop`."""

    def __init__(self, meter: Optional[Meter]) -> None:
        self._meter = meter
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()
        if self._meter is not None:
            self._meter.start()

    def stop(self, idle_power_w: Optional[float]) -> Energy:
        reading = None if self._meter is None else self._meter.stop()
        seconds = time.perf_counter() - self._wall_s
        return Energy(seconds, time.process_time() - self._cpu_s, reading, idle_power_w)


def _idle_power_w(meter: Meter) -> float:
    meter.start()
    time.sleep(meter.shortest_s)
    return meter.stop().power_w


def _pin(thread_count: int) -> List[int]:
    """Keep this process on as many CPUs as it uses, the highest: interrupts prefer the lowest."""
    cpus = usable_cpus()[-max(1, thread_count) :]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    return cpus


if __name__ == "__main__":
    serve(handle)
