"""What every source of power provides: whether it is here, and joules over a stretch of time.

A new meter is one file in this folder that ends in ``METER = MyMeter()``.
"""

from __future__ import annotations

import abc
from typing import NamedTuple, Optional


class EnergyReading(NamedTuple):
    """Energy over a stretch of time, joules and seconds, as the meter saw it."""

    energy_j: float
    seconds: float

    @property
    def power_w(self) -> float:
        """Mean power over the stretch."""
        return self.energy_j / self.seconds


class Meter(abc.ABC):
    """A source of power readings on the device.

    Attributes:
        name: As written in a space file.
        processor: What it measures, ``cpu`` or ``gpu``: a meter only serves an engine that runs
            there.
    """

    name: str = ""
    processor: str = "cpu"

    @abc.abstractmethod
    def unavailable_reason(self) -> Optional[str]:
        """Return why this meter can't be read here and how to allow it, or None."""

    @abc.abstractmethod
    def start(self) -> None:
        """Begin a stretch."""

    @abc.abstractmethod
    def stop(self) -> EnergyReading:
        """End the stretch that `start` began.

        Raises:
            DeviceLost: If the meter vanished meanwhile.
        """
