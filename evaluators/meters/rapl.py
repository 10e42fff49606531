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
from typing import Callable, Dict, List, Optional

from evaluators.failures import DeviceLost
from evaluators.meters.meter import EnergyReading, Meter
from evaluators.meters.sysfs import read_integer, read_word, unreadable_reason


class RaplMeter(Meter):
    """The sum of all CPU packages and, where it is counted, of their memory.

    A counter is taken to wrap at most once between `start` and `stop`: at 200 W the usual range of
    262 kJ lasts 20 minutes.

    Args:
        root: The powercap folder; tests pass a fake tree.
        clock: Monotonic clock, seconds. Tests pass a fake one.
    """

    name = "rapl"
    processors = ("cpu",)
    preference = 0

    def __init__(
        self, root: str = "/sys/class/powercap", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._clock = clock
        self._folders: Dict[str, str] = {}
        self._before_uj: Dict[str, int] = {}
        self._started_s = 0.0

    def domains(self) -> List[str]:
        """Return e.g. ``package-0`` and ``package-0/dram``."""
        return list(self._find())

    def unavailable_reason(self) -> Optional[str]:
        """Say which file is absent or can't be read."""
        folders = self._find()
        if not folders:
            return "no RAPL package under {} (virtual machines have none)".format(self._root)
        return unreadable_reason([_counter(folder) for folder in folders.values()])

    def start(self) -> None:
        """Remember every counter."""
        self._folders = self._find()
        if not self._folders:
            raise DeviceLost("no RAPL package under {}.".format(self._root))
        self._before_uj = {
            domain: read_integer(_counter(folder)) for domain, folder in self._folders.items()
        }
        self._started_s = self._clock()

    def stop(self) -> EnergyReading:
        """Return what all domains spent since `start`."""
        seconds = self._clock() - self._started_s
        domains_j = {
            domain: _spent_uj(self._folders[domain], before) * 1e-6
            for domain, before in self._before_uj.items()
        }
        return EnergyReading.of(domains_j, seconds, 2)

    def _find(self) -> Dict[str, str]:
        """Return domain -> folder of what is counted."""
        folders = sorted(glob.glob(os.path.join(self._root, "intel-rapl:*")))
        names = {folder: read_word(folder, "name") for folder in folders}
        found: Dict[str, str] = {}
        for folder, name in names.items():
            parent = names.get(folder.rpartition(":")[0], "")
            if name.startswith("package"):
                found[name] = folder
            elif name == "dram" and parent.startswith("package"):
                found[parent + "/dram"] = folder
        return found


def _counter(folder: str) -> str:
    return os.path.join(folder, "energy_uj")


def _spent_uj(folder: str, before_uj: int) -> int:
    now_uj = read_integer(_counter(folder))
    if now_uj >= before_uj:
        return now_uj - before_uj
    return now_uj + read_integer(os.path.join(folder, "max_energy_range_uj")) - before_uj


METER = RaplMeter()
