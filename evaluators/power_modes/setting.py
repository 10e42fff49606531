"""What every kind of setting provides, and how a mode is written.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import abc
from typing import Any, List, NamedTuple, Optional, Tuple


class Place(NamedTuple):
    """Where things are on a machine; tests pass fake ones.

    Attributes:
        cpufreq: The kernel's folder of CPUs that share a clock.
        nvpmodel_conf: NVIDIA's file of power modes.
        boot_id: Says which boot this is.
        memory: Remembers what was in force. Kept over a reboot, and one for all users.
    """

    cpufreq: str = "/sys/devices/system/cpu/cpufreq"
    nvpmodel_conf: str = "/etc/nvpmodel.conf"
    boot_id: str = "/proc/sys/kernel/random/boot_id"
    memory: str = "/var/tmp/edge-inference-search.power-mode"  # noqa: S108  see above


class Setting(abc.ABC):
    """One kind of setting of the machine that this runs on.

    Attributes:
        kind: Its name in a mode.
        outlives_boot: Whether it is still in force after a reboot.
    """

    kind = ""
    outlives_boot = False

    @abc.abstractmethod
    def values(self) -> List[str]:
        """Return what can be set here, nothing where there is no such setting."""

    @abc.abstractmethod
    def absence(self) -> str:
        """Say what is missing where there are no values."""

    @abc.abstractmethod
    def now(self) -> Optional[str]:
        """Return the value in force, or None where it is none of the values.

        Raises:
            EvaluationFailure: If it can't be asked for.
        """

    @abc.abstractmethod
    def unsettable_reason(self) -> Optional[str]:
        """Return why it can't be set by this user, and how to allow it; None where it can."""

    @abc.abstractmethod
    def remember(self) -> Any:
        """Return what is in force, as plain data that `put_back` takes.

        Raises:
            EvaluationFailure: If it can't be asked for.
        """

    @abc.abstractmethod
    def set(self, value: str) -> None:
        """Set one of the values, and make sure that it is in force then.

        Raises:
            CandidateRejected: If it isn't.
        """

    @abc.abstractmethod
    def put_back(self, value: str, before: Any) -> None:
        """Put back what was in force, but for what somebody else has changed since.

        Args:
            value: What was set.
            before: What `remember` returned.

        Raises:
            EvaluationFailure: If it can't be put back.
        """


def parts_of(mode: str) -> List[Tuple[str, str]]:
    """Return a mode's settings: ``nvpmodel:15W+jetson_clocks:on`` is two of kind and value."""
    parts = [part.partition(":") for part in mode.split("+")]
    return [(kind, value) for kind, _, value in parts]
