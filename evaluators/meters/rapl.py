"""RAPL: energy counters of Intel and AMD packages and their memory, through the powercap files.

::

    /sys/class/powercap/
        intel-rapl:0          name: package-0      counted
        intel-rapl:0:0        name: core           a part of the package
        intel-rapl:0:1        name: uncore         a part of the package
        intel-rapl:0:2        name: dram           counted: memory isn't a part of the package
        intel-rapl:1          name: psys           the whole board, the package in it: not counted
        intel-rapl-mmio:0     name: package-0      the same counter again: not counted

``enabled`` is about power limits and says nothing of the counter, so it isn't looked at.

References:
    Documentation/power/powercap/powercap.rst: energy_uj counts microjoules and wraps to zero after
    max_energy_range_uj. drivers/powercap/intel_rapl_common.c: the names of the domains. Intel 64
    and IA-32 SDM, volume 3, section "RAPL interfaces": which domains contain one another.
"""

from __future__ import annotations

import glob
import os
import time
from typing import Dict, List, Optional

from evaluators.failures import DeviceLost
from evaluators.meters.meter import EnergyReading, Meter


class RaplMeter(Meter):
    """The sum of all CPU packages and, where it is counted, of their memory.

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
        """Return the folder of every domain that is counted, sorted."""
        folders = sorted(glob.glob(os.path.join(self._root, "intel-rapl:*")))
        names = {folder: _read_name(folder) for folder in folders}
        packages = [folder for folder in folders if names[folder].startswith("package")]
        return [
            folder
            for folder in folders
            if folder in packages
            or (names[folder] == "dram" and folder.rpartition(":")[0] in packages)
        ]

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


def _read_name(folder: str) -> str:
    try:
        with open(os.path.join(folder, "name")) as file:
            return file.read().strip()
    except OSError:
        return ""


def _read_uj(package: str, name: str) -> int:
    path = os.path.join(package, name)
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError) as error:
        raise DeviceLost("the RAPL counter {} can't be read: {}.".format(path, error)) from error


METER = RaplMeter()
