"""This machine as a device: workers are children of this process."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Any

from evaluators.benchmark.cpus import usable_cpus
from evaluators.benchmark.environment import machine_fingerprint
from evaluators.benchmark.survey import Survey, survey_here
from evaluators.child_process import ChildProcess, Limits
from evaluators.device_lock import DeviceLock
from evaluators.devices.device import OneMachine
from evaluators.failures import DeviceLost
from evaluators.framing import Message

WORKER = "evaluators.benchmark.worker"


class LocalDevice(OneMachine):
    """Runs each job in a fresh process here, and never two at once on this machine."""

    def __init__(self, name: str, limits: Limits) -> None:
        super().__init__(name, limits)
        self._lock = DeviceLock()

    @property
    def cpu_count(self) -> int:
        """Return how many CPUs a job may use."""
        return len(usable_cpus())

    def fingerprint(self) -> str:
        """Return a hash of what compiled artifacts depend on."""
        return machine_fingerprint()

    def _survey(self, meter: str | None, program: Sequence[str]) -> Survey:
        return survey_here(meter, program)

    def run(self, job: dict[str, Any]) -> Message:
        """Run one job of the worker in a process of its own and wait without waking."""
        with ChildProcess(WORKER, self.limits) as worker:
            return worker.request(job)

    def command(self, program: Sequence[str]) -> None:
        """Refuse: a search can't outlive the reboot of its own machine."""
        raise DeviceLost(f"{program[0]} isn't run, because {self.name} is where the search runs.")

    def close(self) -> None:
        """Do nothing: every job ends its own worker."""

    def _try_to_lock(self) -> dict[str, Any] | None:
        return self._lock.try_to_take({"pid": os.getpid(), "host": platform.node()})

    def _unlock(self) -> None:
        self._lock.release()
