"""What the kernel tells in files under /proc and /sys: one value, a list of CPUs, CPU times."""

from __future__ import annotations

import glob
import os
from typing import Dict, List, NamedTuple, Optional

SECONDS_PER_TICK = 0.01
"""The unit of /proc/stat: USER_HZ, which is 100 on every architecture that this program runs on."""


class CpuTimes(NamedTuple):
    """Seconds since boot that one CPU was busy, of them stolen, and idle.

    ``steal_s`` is what a hypervisor gave to its other guests while this one wanted to run.
    """

    busy_s: float
    steal_s: float
    idle_s: float


def read_text(path: str) -> Optional[str]:
    """Return what a file says without white space around it, or None where it can't be read."""
    try:
        with open(path, errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def read_integer(path: str) -> Optional[int]:
    """Return the whole number that a file holds, or None where it holds none."""
    text = read_text(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def parse_cpu_list(text: str) -> List[int]:
    """Return the numbers in a list of CPUs: ``0-2,8`` is 0, 1, 2 and 8."""
    numbers: List[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.strip().isdigit():
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def read_cpu_times(root: str = "/") -> Dict[int, CpuTimes]:
    """Return the times of every CPU that is online; empty where there is no /proc/stat.

    Busy is user, nice, system, irq, softirq and steal; guests are contained in user and nice.

    References:
        Documentation/filesystems/proc.rst, "Miscellaneous kernel statistics in /proc/stat".
    """
    times = {}
    for line in (read_text(os.path.join(root, "proc/stat")) or "").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit():
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, fields[:8])
            times[int(name[3:])] = CpuTimes(
                busy_s=(user + nice + system + irq + softirq + steal) * SECONDS_PER_TICK,
                steal_s=steal * SECONDS_PER_TICK,
                idle_s=(idle + iowait) * SECONDS_PER_TICK,
            )
    return times


def read_waited_s(root: str = "/") -> Optional[float]:
    """Return how long threads of this process, while ready to run, have waited for a CPU.

    Only threads that still exist count. None where the kernel doesn't count it: then the file is
    absent or says ``0 0 0``, though a thread that reads it has run at least once.

    References:
        Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat".
    """
    files = glob.glob(os.path.join(root, "proc/self/task/*/schedstat"))
    waited_s = None
    for text in map(read_text, files):
        _, waited_ns, turns = (text or "0 0 0").split()
        if turns != "0":
            waited_s = (waited_s or 0.0) + int(waited_ns) * 1e-9
    return waited_s
