"""The parent's handle on the build worker: started when first needed, replaced when it dies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluators.benchmark.cpus import usable_cpus
from evaluators.child_process import ChildProcess, Limits
from evaluators.failures import CandidateAborted
from evaluators.framing import Message

WORKER = "evaluators.build_worker"


@dataclass(frozen=True, slots=True)
class WorkloadSource:
    """Where a workload comes from.

    Attributes:
        reference: What the space file says: ``file.py:Class``, or the files of an ONNX model.
        folder: What relative paths start from.
        cache_dir: Where the workload may keep trained weights.
    """

    reference: str | dict[str, str]
    folder: Path
    cache_dir: Path

    def to_json(self) -> dict[str, Any]:
        """Return the part of a request that names the workload."""
        return {
            "workload": self.reference,
            "folder": str(self.folder),
            "cache_dir": str(self.cache_dir),
        }


class Builder:
    """Sends one stage after another to a build worker.

    Training leaves one CPU free: OpenMP waits for its slowest thread at every step, so a single
    other process that takes a turn on one of two CPUs made ten epochs take 130 s instead of 20 s.

    Several threads may share one. The worker ends with the thread that was the first to need it.

    Args:
        source: The workload.
        limits: Time and memory of the worker.
        module: The worker; a benchmark may put another in its place.

    Attributes:
        turn: Held while a stage is done: one at a time, whichever thread asks.
    """

    def __init__(self, source: WorkloadSource, limits: Limits, module: str = WORKER) -> None:
        self._source = source
        self._limits = limits
        self._module = module
        self._workers: list[ChildProcess] = []  # one at most; builders beside this one share it
        self._is_closed = False
        self.turn = threading.RLock()
        self.on_wait: Callable[[], None] | None = None

    def beside(self, reference: str) -> Builder:
        """Return a builder of another workload that sends its stages to the same worker.

        Args:
            reference: ``package.module:Class``.
        """
        other = Builder(replace(self._source, reference=reference), self._limits, self._module)
        other._workers, other.turn, other.on_wait = self._workers, self.turn, self.on_wait
        return other

    def run(self, kind: str, arrays: Sequence[Any] = (), **body: Any) -> Message:
        """Run one stage; see `evaluators.build_worker` for the kinds and what they take.

        Raises:
            EvaluationFailure: What the worker reported, or how it ended.
        """
        request = {"kind": kind, **self._source.to_json(), **body}
        with self.turn:
            worker = self._living_worker()
            return worker.request(request, arrays, on_wait=self.on_wait)

    def close(self) -> None:
        """End the worker for good; a stage that another thread waits for is aborted."""
        self._is_closed = True
        self._end_worker()

    def _living_worker(self) -> ChildProcess:
        if self._is_closed:
            raise CandidateAborted("the run ended before it was built.")
        if not (self._workers and self._workers[0].is_alive):
            self._end_worker()
            threads = str(max(1, len(usable_cpus()) - 1))
            worker = ChildProcess(self._module, self._limits, {"OMP_NUM_THREADS": threads})
            self._workers.append(worker)
        return self._workers[0]

    def _end_worker(self) -> None:
        while self._workers:
            self._workers.pop().close()
