"""What every source of power provides: whether it is here, and joules over a stretch of time.

A new meter is one file in this folder that ends in ``METER = MyMeter()``.
"""

from __future__ import annotations

import abc
from typing import Dict, List, NamedTuple, Optional, Tuple

WHOLE_BOARD = ("cpu", "gpu", "npu", "edgetpu")
"""Everything that inference may run on; what feeds a board feeds them all."""


class EnergyReading(NamedTuple):
    """Energy over a stretch of time, as the meter saw it.

    Attributes:
        energy_j: The sum of ``domains_j``.
        seconds: Length of the stretch.
        readings: How often the meter was read; over ``seconds``, its sampling rate.
        domains_j: Joules by what was measured apart: a CPU package, a board's rail, a battery.
    """

    energy_j: float
    seconds: float
    readings: int
    domains_j: Dict[str, float]

    @classmethod
    def of(cls, domains_j: Dict[str, float], seconds: float, readings: int) -> EnergyReading:
        """Add up the domains."""
        return cls(sum(domains_j.values()), seconds, readings, domains_j)

    @property
    def power_w(self) -> float:
        """Mean power over the stretch."""
        return self.energy_j / self.seconds


class Meter(abc.ABC):
    """A source of power readings on the device.

    Attributes:
        name: As written in a space file.
        processors: What it measures, of `WHOLE_BOARD`: a meter only serves an engine that runs
            there. A board's meter covers all. Empty where nobody but the person can know.
        preference: Among meters that can be read, the lowest is taken: 0 for a counter of energy, 1
            for a chip that measures the board, 2 for sensors of all kinds, 3 for a battery. None is
            taken only where the space file names it.
        shortest_s: A stretch that is shorter tells little, because the meter refreshes slowly.
    """

    name: str = ""
    processors: Tuple[str, ...] = ()
    preference: Optional[int] = None
    shortest_s: float = 0.5

    def parts(self) -> List[Meter]:
        """Return what can be chosen here: the meter itself, unless it finds several sources."""
        return [self]

    def part(self, name: str) -> Meter:
        """Return the part that a space file calls ``METER:NAME``.

        Raises:
            KeyError: If this meter has no parts.
        """
        raise KeyError(name)

    @abc.abstractmethod
    def domains(self) -> List[str]:
        """Return the names of what is added up here; none where nothing was found."""

    @abc.abstractmethod
    def unavailable_reason(self) -> Optional[str]:
        """Return why this meter can't be read here and how to allow it, or None."""

    @abc.abstractmethod
    def start(self) -> None:
        """Begin a stretch.

        Raises:
            DeviceLost: If the meter can't be read.
        """

    @abc.abstractmethod
    def stop(self) -> EnergyReading:
        """End the stretch that `start` began.

        Raises:
            DeviceLost: If the meter vanished meanwhile.
        """
