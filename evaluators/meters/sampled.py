"""Joules from a meter that only tells watts: sampled beside the work, summed up over time.

::

    start: read, then note the time          a thread on other CPUs        stop: note the time,
           |--------------- reads every PERIOD_S, stamped by the clock ------------| then read

The stretch runs from the end of `start` to the beginning of `stop`, so it is the work and nothing
of the meter's own reading.
"""

from __future__ import annotations

import abc
import os
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from evaluators.failures import DeviceLost
from evaluators.meters.meter import EnergyReading, Meter
from evaluators.meters.sysfs import read_integer, unreadable_reason

PERIOD_S = 0.05
"""Twenty readings a second: six files take 0.14 ms here, 0.3 % of the other CPUs' time."""

Watts = Dict[str, float]
"""Power by domain."""


class PowerIntegral:
    """Energy by domain, by the trapezoid rule over the readings' own times.

    Example:
        2 W at 0 s and 4 W at 10 s make 30 J in 10 s.
    """

    def __init__(self) -> None:
        self._energy_j: Dict[str, float] = {}
        self._seconds = 0.0
        self._readings = 0
        self._last: Optional[Tuple[float, Watts]] = None

    def add(self, time_s: float, watts: Watts) -> None:
        """Take one reading; times must not go back."""
        if self._last is not None:
            last_s, last = self._last
            self._seconds += time_s - last_s
            for domain, power_w in watts.items():
                mean_w = (last[domain] + power_w) / 2
                joules = self._energy_j.get(domain, 0.0) + mean_w * (time_s - last_s)
                self._energy_j[domain] = joules
        self._last = (time_s, watts)
        self._readings += 1

    def reading(self) -> EnergyReading:
        """Return what has been added up."""
        return EnergyReading.of(self._energy_j, self._seconds, self._readings)


class Sampler:
    """Reads power in a thread of its own, from `start` to `stop`.

    Args:
        read_w: Returns watts by domain, the same domains each time; raises DeviceLost.
        clock: Monotonic clock, seconds. Tests pass a fake one.
        period_s: Time between readings.
    """

    def __init__(
        self,
        read_w: Callable[[], Watts],
        clock: Callable[[], float] = time.monotonic,
        period_s: float = PERIOD_S,
    ) -> None:
        self._read_w = read_w
        self._clock = clock
        self._period_s = period_s
        self._integral = PowerIntegral()
        self._stopping = threading.Event()
        self._failure: Optional[DeviceLost] = None
        self._thread = threading.Thread(target=self._run, name="power sampler", daemon=True)

    def start(self) -> None:
        """Read once, then go on beside the work.

        Raises:
            DeviceLost: If the first reading fails.
        """
        watts = self._read_w()
        self._integral.add(self._clock(), watts)
        self._thread.start()

    def stop(self) -> EnergyReading:
        """End the thread, read once more and add up.

        Raises:
            DeviceLost: If any reading failed.
        """
        self._stopping.set()
        ended_s = self._clock()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._integral.add(ended_s, self._read_w())
        return self._integral.reading()

    def _run(self) -> None:
        leave_the_works_cpus()
        while not self._stopping.wait(self._period_s):
            now_s = self._clock()
            try:
                watts = self._read_w()
            except DeviceLost as lost:
                self._failure = lost
                return
            if self._stopping.is_set():  # `stop` may have noted an earlier time
                return
            self._integral.add(now_s, watts)


class PowerFiles(NamedTuple):
    """Where one domain's power stands: the product of the files' numbers, times ``factor_w``."""

    domain: str
    paths: Tuple[str, ...]
    factor_w: float

    def read_w(self) -> float:
        """Return the power now.

        Raises:
            DeviceLost: If a file can't be read.
        """
        power_w = self.factor_w
        for path in self.paths:
            power_w *= read_integer(path)
        return power_w


class SampledMeter(Meter):
    """A meter whose watts stand in the kernel's files."""

    def __init__(self) -> None:
        self._sampled: List[PowerFiles] = []
        self._sampler: Optional[Sampler] = None

    @abc.abstractmethod
    def sources(self) -> List[PowerFiles]:
        """Find what is to be added up."""

    @abc.abstractmethod
    def absence(self) -> str:
        """Say where nothing was found, for when `sources` is empty."""

    def read_w(self) -> Watts:
        """Read what `start` found; sources of one name are one domain."""
        watts: Watts = {}
        for source in self._sampled:
            watts[source.domain] = watts.get(source.domain, 0.0) + source.read_w()
        return watts

    def domains(self) -> List[str]:
        """Return the names of the sources."""
        return [source.domain for source in self.sources()]

    def unavailable_reason(self) -> Optional[str]:
        """Say what is absent, or which file can't be read."""
        sources = self.sources()
        if not sources:
            return self.absence()
        return unreadable_reason([path for source in sources for path in source.paths])

    def start(self) -> None:
        """Find the sources and begin to sample them."""
        self._sampled = self.sources()
        if not self._sampled:
            raise DeviceLost("{}: {}.".format(self.name, self.absence()))
        self._sampler = Sampler(self.read_w)
        self._sampler.start()

    def stop(self) -> EnergyReading:
        """Return what the sources spent since `start`."""
        assert self._sampler is not None
        return self._sampler.stop()


def leave_the_works_cpus() -> None:
    """Move the calling thread to CPUs that the work isn't pinned to, where there are any.

    The measuring process pins itself and its parent doesn't, so the parent's CPUs are those that
    the person allows. On Linux the call concerns this thread alone.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    others = os.sched_getaffinity(os.getppid()) - os.sched_getaffinity(0)
    if others:
        os.sched_setaffinity(0, others)
