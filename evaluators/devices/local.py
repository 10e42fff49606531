"""This machine as a device: where a worker runs, its lock and what identifies it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from evaluators.benchmark.cpus import usable_cpus
from evaluators.benchmark.environment import cpu_model
from evaluators.child_process import ChildProcess, Limits
from evaluators.framing import Message

WORKER = "evaluators.benchmark.worker"


class LocalDevice:
    """Runs each job in a fresh process here, and never two at once on this machine."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self._limits = limits
        lock = Path(tempfile.gettempdir()) / f"edge-inference-search-{os.getuid()}.lock"
        self._lock = FileLock(lock)

    @property
    def cpu_count(self) -> int:
        """Return how many CPUs a job may use."""
        return len(usable_cpus())

    def fingerprint(self) -> str:
        """Return a hash of what compiled artifacts depend on."""
        return host_fingerprint()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the machine's lock, so that nothing else of ours runs while something is timed."""
        with self._lock:
            yield

    def run(self, job: dict[str, Any]) -> Message:
        """Run one job of the worker in a process of its own and wait without waking.

        Raises:
            EvaluationFailure: What the worker reported, or how it ended.
        """
        with ChildProcess(WORKER, self._limits) as worker:
            return worker.request(job)


def host_fingerprint() -> str:
    """Return a hash of what results of this machine depend on: processor, cores and system.

    Training sums in another order on another number of threads, and in bfloat16 where the
    processor has it.
    """
    facts = [
        platform.machine(),
        platform.system(),
        cpu_model(),
        len(usable_cpus()),
        _cpu_features(),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _cpu_features() -> str:
    """Return the instruction sets the kernel lists, empty where it lists none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
