"""The governor, by which Linux chooses the clock of a CPU.

::

    /sys/devices/system/cpu/cpufreq/
        policy0/                          CPUs that share a clock
            scaling_governor              schedutil
            scaling_available_governors   ondemand performance powersave schedutil

All CPUs get the same one.

References:
    Documentation/admin-guide/pm/cpufreq.rst, "Policy Interface in sysfs".

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Any, Dict, List, Optional

from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.power_modes.setting import Place, Setting

_POLICY = re.compile(r"policy\d+")


class Governor(Setting):
    """One governor for all CPUs."""

    kind = "governor"

    def __init__(self, place: Place) -> None:
        self._root = place.cpufreq

    def values(self) -> List[str]:
        """Return the governors that every CPU has, sorted."""
        lists = [_read(self._file(each, "scaling_available_governors")) for each in self._all()]
        return sorted(set.intersection(*(set(each.split()) for each in lists))) if lists else []

    def absence(self) -> str:
        """Say what was looked for."""
        return "no CPU under {} has a clock to choose (virtual machines have none)".format(
            self._root
        )

    def now(self) -> Optional[str]:
        """Return the governor of all CPUs, or None where they have different ones."""
        found = set(self.remember().values())
        return found.pop() if len(found) == 1 else None

    def unsettable_reason(self) -> Optional[str]:
        """Say which file can't be written."""
        files = [self._file(policy, "scaling_governor") for policy in self._all()]
        if all(os.access(file, os.W_OK, effective_ids=True) for file in files):
            return None
        pattern = os.path.join(self._root, "policy*", "scaling_governor")
        return "{} can't be written. Allow it until the next boot with: sudo chmod a+w {}".format(
            files[0], pattern
        )

    def remember(self) -> Dict[str, str]:
        """Return the governors by policy."""
        return {policy: _read(self._file(policy, "scaling_governor")) for policy in self._all()}

    def set(self, value: str) -> None:
        """Set one for all CPUs."""
        for policy in self._all():
            self._write(policy, value)
        found = self.now()
        if found != value:
            raise CandidateRejected("governor:{} was set, but {} is in force.".format(value, found))

    def put_back(self, value: str, before: Any) -> None:
        """Put back the governors of those CPUs that still have ours."""
        now = self.remember()
        for policy, governor in before.items():
            # The memory may have been written by anybody, and a CPU may be gone by now.
            if _POLICY.fullmatch(policy) and now.get(policy) == value != governor:
                self._write(policy, governor)
        for policy, governor in self.remember().items():
            if governor == value != before.get(policy, value):
                raise DeviceLost(
                    "the governor of {} must be {} again, but {} stays in force.".format(
                        policy, before[policy], governor
                    )
                )

    def _all(self) -> List[str]:
        return sorted(map(os.path.basename, glob.glob(os.path.join(self._root, "policy[0-9]*"))))

    def _file(self, policy: str, name: str) -> str:
        return os.path.join(self._root, policy, name)

    def _write(self, policy: str, governor: str) -> None:
        path = self._file(policy, "scaling_governor")
        try:
            with open(path, "w") as file:
                file.write(governor)
        except OSError as error:
            reason = "governor:{} can't be set: {}: {}.".format(governor, path, error.strerror)
            raise CandidateRejected(reason) from error


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        raise DeviceLost("{} can't be read: {}.".format(path, error.strerror)) from error
