"""RAPL: energy counters of Intel and AMD packages, through the kernel's powercap files.

References:
    Documentation/power/powercap/powercap.rst: energy_uj counts microjoules and wraps to zero after
    max_energy_range_uj.
"""

from __future__ import annotations

import glob
import os
import time
from typing import Dict, List, Optional

from evaluators.failures import DeviceLost
from evaluators.meters.meter import EnergyReading, Meter


class RaplMeter(Meter):
    """The sum of all CPU packages. Their subdomains (core, uncore) are parts of them.

    A counter is taken to wrap at most once between `start` and `stop`: at 200 W the usual range of
    262 kJ lasts 20 minutes.

    Args:
        root: The powercap folder; tests pass a fake tree.
    """

    name = "rapl"
    processor = "cpu"

    def __init__(self, root: str = "/sys/class/powercap") -> None:
        self._root = root
        self._before_uj: Dict[str, int] = {}
        self._started_s = 0.0

    def packages(self) -> List[str]:
        """Return the folder of every package domain, sorted."""
        found = glob.glob(os.path.join(self._root, "intel-rapl:*"))
        return sorted(path for path in found if os.path.basename(path).count(":") == 1)

    def unavailable_reason(self) -> Optional[str]:
        """Say which file is absent or can't be read."""
        packages = self.packages()
        if not packages:
            return "no RAPL domain under {} (virtual machines have none)".format(self._root)
        for package in packages:
            path = os.path.join(package, "energy_uj")
            if not os.access(path, os.R_OK):
                return "{0} can't be read. Allow it with: sudo chmod a+r {0}".format(path)
        return None

    def start(self) -> None:
        """Remember every package's counter."""
        self._before_uj = {package: _read_uj(package, "energy_uj") for package in self.packages()}
        self._started_s = time.monotonic()

    def stop(self) -> EnergyReading:
        """Return what all packages spent since `start`."""
        seconds = time.monotonic() - self._started_s
        spent_uj = sum(_spent_uj(package, before) for package, before in self._before_uj.items())
        return EnergyReading(spent_uj * 1e-6, seconds)


def _spent_uj(package: str, before_uj: int) -> int:
    now_uj = _read_uj(package, "energy_uj")
    if now_uj >= before_uj:
        return now_uj - before_uj
    return now_uj + _read_uj(package, "max_energy_range_uj") - before_uj


def _read_uj(package: str, name: str) -> int:
    path = os.path.join(package, name)
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError) as error:
        raise DeviceLost("the RAPL counter {} can't be read: {}.".format(path, error)) from error


METER = RaplMeter()
