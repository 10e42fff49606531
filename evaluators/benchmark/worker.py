"""The measuring process: a fresh one for every artifact, one engine and nothing else in it.

::

    request -> pin -> import the runtime -> start the accelerator -> reset peak memory -> load
            -> first inference -> warm up -> time (meter and watch running) -> throughput
            -> peak memory -> outputs -> answer

Where the device is absent and nothing may stand in for it, outputs are all that is asked for. Run
as ``python -m evaluators.benchmark.worker``; `evaluators.service` says how it answers requests.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np

from evaluators.benchmark import memory
from evaluators.benchmark.accuracy import collect_outputs, take_batch
from evaluators.benchmark.cpus import choose_cpus
from evaluators.benchmark.disturbance import Watch
from evaluators.benchmark.environment import read_environment
from evaluators.benchmark.session_measurement import check_agreement, measure_session
from evaluators.benchmark.survey import survey_here
from evaluators.benchmark.timing import TimingSettings
from evaluators.engines import load_engine
from evaluators.engines.engine import Session
from evaluators.framing import Message
from evaluators.meters import load_meter
from evaluators.meters.meter import Meter
from evaluators.power_modes.found import look_at_power_modes, say_mode_now
from evaluators.power_modes.held import held_mode
from evaluators.service import Answer, serve

_MEMORY_QUERIES = 32


def handle(message: Message) -> Answer:
    """Compile, benchmark what was compiled, answer samples, look at memory, runtime or device."""
    return _KINDS[message.body["kind"]](message.body)


def compile_model(job: Dict[str, Any]) -> Answer:
    """Compile for this device; the answer is what `evaluators.engines.engine.Compiled` holds."""
    engine = load_engine(job["engine"])
    compiled = engine.compile(
        Path(job["model"]), job["precision"], job["flags"], Path(job["out_dir"])
    )
    return compiled._asdict(), []


def look_around(job: Dict[str, Any]) -> Answer:
    """Say what this device has and lacks; see `evaluators.benchmark.survey.Survey`."""
    return survey_here(job["meter"], job["meter_program"])._asdict(), []


def benchmark(job: Dict[str, Any]) -> Answer:
    """Measure one artifact in its power mode, or as the machine is.

    The arrays of the answer are the timed samples and those of the warm-up, in seconds, then the
    outputs of each split in ``answer_splits``, as many as ``outputs_per_split`` says: none where
    they would take longer than ``answers_within_s``.
    """
    with held_mode(job.get("power_mode")) as mode:  # before anything is read of the machine
        body, arrays = _benchmark(job)
        mode.tell(body)
    return body, arrays


def _benchmark(job: Dict[str, Any]) -> Answer:
    environment = read_environment()  # before pinning: the estimate needs all of the device's CPUs
    engine = load_engine(job["engine"])
    cpus = _pin(engine.thread_count(job["flags"]))
    inputs = {split: _load_inputs(paths) for split, paths in job["inputs"].items()}
    meter = _meter(job)
    idle_power_w = None if meter is None else _idle_power_w(meter)
    version = engine.load_runtime()
    engine.start_accelerator(job["flags"])
    can_reset = memory.reset_peak()
    before_bytes = memory.peak_bytes()
    started = time.perf_counter()
    with _open(job) as session:
        load_s = time.perf_counter() - started
        timed_inputs = next(iter(inputs.values()))
        settings = TimingSettings(**job["timing"])
        body, samples = measure_session(
            session, timed_inputs, job["batch_size"], settings, Watch(cpus), meter
        )
        check_agreement(session, timed_inputs, job["batch_size"])
        answered = [inputs[split] for split in job["answer_splits"]]
        if not _fits(answered, samples[0], job):
            answered = []
        outputs = [collect_outputs(session, each, job["batch_size"]) for each in answered]
    body.update(
        peak_memory_bytes=_peak_over(before_bytes, body.pop("peak_bytes")) if can_reset else None,
        baseline_bytes=before_bytes,
        idle_power_w=idle_power_w,
        outputs_per_split=len(outputs[0]) if outputs else 0,
        load_s=load_s,
        runtime_version=version,
        cpus=cpus,
        environment=environment,
    )
    return body, [*samples, *(array for split in outputs for array in split)]


def name_runtime(job: Dict[str, Any]) -> Answer:
    """Say which version of an engine's runtime is here."""
    return {"runtime_version": load_engine(job["engine"]).load_runtime()}, []


def answer_samples(job: Dict[str, Any]) -> Answer:
    """Answer with the outputs for the ``samples`` of one split, all where it is None, untimed.

    Who gave them is in the body.
    """
    environment = read_environment()
    version = load_engine(job["engine"]).load_runtime()
    inputs = _load_inputs(next(iter(job["inputs"].values())))
    if job["samples"] is not None:
        inputs = [array[job["samples"]] for array in inputs]
    with _open(job) as session:
        outputs = collect_outputs(session, inputs, job["batch_size"])
    return {"environment": environment, "runtime_version": version}, outputs


def private_memory(job: Dict[str, Any]) -> Answer:
    """Load and run one artifact untimed, and answer with the peak of its private memory."""
    engine = load_engine(job["engine"])
    inputs = _load_inputs(next(iter(job["inputs"].values())))
    engine.load_runtime()
    engine.start_accelerator(job["flags"])
    peak = memory.UssPeak()
    before_bytes = peak.start()
    with _open(job) as session:
        batch = session.prepare(take_batch(inputs, 0, job["batch_size"]))
        for _ in range(_MEMORY_QUERIES):
            session.infer(batch)
        peak_bytes = peak.stop()
    return {"peak_memory_bytes": _peak_over(before_bytes, peak_bytes)}, []


def _fits(splits: Sequence[Sequence[np.ndarray]], timed_s: np.ndarray, job: Dict[str, Any]) -> bool:
    """Say whether the outputs of some splits take no longer than they may."""
    queries = sum(len(inputs[0]) for inputs in splits) / job["batch_size"]
    limit_s = job.get("answers_within_s")
    return limit_s is None or queries * float(np.median(timed_s)) <= limit_s


def _open(job: Dict[str, Any]) -> Session:
    engine = load_engine(job["engine"])
    return engine.open(Path(job["compiled"]), job["artifact"], job["precision"], job["flags"])


def _load_inputs(paths: Sequence[str]) -> List[np.ndarray]:
    return [np.load(path, allow_pickle=False) for path in paths]


def _peak_over(before_bytes: Optional[int], peak_bytes: Optional[int]) -> Optional[int]:
    known = before_bytes is not None and peak_bytes is not None
    return max(0, peak_bytes - before_bytes) if known else None  # type: ignore[operator]


def _meter(job: Dict[str, Any]) -> Optional[Meter]:
    return load_meter(job["meter"], job["meter_program"]) if job["meter"] else None


def _idle_power_w(meter: Meter) -> float:
    meter.start()
    time.sleep(meter.shortest_s)
    return meter.stop().power_w


def _pin(thread_count: int) -> List[int]:
    """Keep this process on as many CPUs as it uses."""
    cpus = choose_cpus(thread_count)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    return cpus


_KINDS: Dict[str, Callable[[Dict[str, Any]], Answer]] = {
    "compile": compile_model,
    "benchmark": benchmark,
    "answer": answer_samples,
    "memory": private_memory,
    "runtime": name_runtime,
    "survey": look_around,
    "power_modes": look_at_power_modes,
    "mode_now": say_mode_now,
}

if __name__ == "__main__":
    serve(handle)
