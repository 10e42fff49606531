"""Which CPUs a process may run on, and which of them to measure on."""

from __future__ import annotations

import os
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from evaluators.benchmark.kernel_files import (
    CpuTimes,
    parse_cpu_list,
    read_cpu_times,
    read_integer,
    read_text,
)

SAME_SPEED_RATIO = 0.9
"""CPUs within this ratio of a kind's fastest are of that kind: the turbo of favoured cores lies a
few per cent above the others', an E-core 20 % or more below a P-core."""
BUSY_SHARE = 0.25
"""A CPU that others use more than this is avoided. The look takes ten ticks, so two short wake-ups
of something in the background may look like 0.2."""
LOOK_S = 0.1


class Cpu(NamedTuple):
    """What decides whether to measure on a CPU.

    Attributes:
        number: The kernel's number of it.
        speed: Comparable among the CPUs of one machine; 0 for all where they don't differ.
        threads: The hardware threads of its core, itself among them.
        busy_share: The share of its time that is in use right now.
        core_busy_share: That of the core's busiest thread.
    """

    number: int
    speed: int
    threads: Tuple[int, ...]
    busy_share: float
    core_busy_share: float


def usable_cpus() -> List[int]:
    """Return the CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def choose_cpus(
    count: int, root: str = "/", sleep: Callable[[float], None] = time.sleep
) -> List[int]:
    """Return the CPUs to pin a process of ``count`` threads to, sorted; all if there are fewer.

    Takes a tenth of a second to see which are quiet. The caller must not be busy itself.
    """
    cpus = read_cpus(usable_cpus(), root, sleep)
    return sorted(rank_cpus(cpus)[: max(1, count)])


def rank_cpus(cpus: Sequence[Cpu]) -> List[int]:
    """Return the numbers of ``cpus``, the best to measure on first.

    1. The fastest kind of core.
    2. One thread of every core before a second of any.
    3. Cores that others leave alone.
    4. The highest number: interrupts prefer the lowest.

    A machine with two P-cores of two threads (0-1, 2-3) and two E-cores (4, 5), all quiet, gives
    3, 1, 2, 0, 5, 4.
    """
    kinds = _kinds(cpus)
    taken: Dict[Tuple[int, ...], int] = {}
    keys = {}
    for cpu in sorted(cpus, key=lambda cpu: (cpu.busy_share > BUSY_SHARE, -cpu.number)):
        nth_of_core = taken.get(cpu.threads, 0)
        taken[cpu.threads] = nth_of_core + 1
        is_core_busy = cpu.core_busy_share > BUSY_SHARE
        keys[cpu.number] = (kinds[cpu.speed], nth_of_core, is_core_busy, -cpu.number)
    return sorted(keys, key=lambda number: keys[number])


def read_cpus(
    numbers: Sequence[int], root: str = "/", sleep: Callable[[float], None] = time.sleep
) -> List[Cpu]:
    """Look at ``numbers`` twice, `LOOK_S` apart, and return what decides among them."""
    speeds = _speeds(numbers, root)
    before = read_cpu_times(root)
    sleep(LOOK_S)
    shares = _busy_shares(before, read_cpu_times(root))
    cpus = []
    for number in numbers:
        threads = read_core_threads(number, root)
        core_share = max(shares.get(thread, 0.0) for thread in threads)
        cpus.append(Cpu(number, speeds[number], threads, shares.get(number, 0.0), core_share))
    return cpus


def read_core_threads(number: int, root: str = "/") -> Tuple[int, ...]:
    """Return the hardware threads of a CPU's core; only itself where the kernel doesn't tell."""
    for name in ("core_cpus_list", "thread_siblings_list"):  # the latter before Linux 5.3
        text = read_text(cpu_file(number, "topology/" + name, root))
        if text:
            return tuple(sorted(parse_cpu_list(text)))
    return (number,)


def cpu_file(number: int, name: str, root: str = "/") -> str:
    """Return the path of one of the files about a CPU."""
    return os.path.join(root, "sys/devices/system/cpu/cpu{}".format(number), name)


def _kinds(cpus: Sequence[Cpu]) -> Dict[int, int]:
    """Return the kind of every speed: 0 for the fastest, 1 for the next slower, and so on."""
    kinds: Dict[int, int] = {}
    fastest: Optional[int] = None
    kind = -1
    for speed in sorted({cpu.speed for cpu in cpus}, reverse=True):
        if fastest is None or speed < SAME_SPEED_RATIO * fastest:
            fastest, kind = speed, kind + 1
        kinds[speed] = kind
    return kinds


def _speeds(numbers: Sequence[int], root: str) -> Dict[int, int]:
    """Return what the kernel says of the CPUs' speeds.

    The capacity counts instructions per clock too, but says 1024 of every CPU where the kernel
    knows no better, hybrid processors with hyper-threading among them.
    """
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        values = [read_integer(cpu_file(number, name, root)) for number in numbers]
        known = [value for value in values if value is not None]
        if len(known) == len(numbers) and len(set(known)) > 1:
            return dict(zip(numbers, known))
    return dict.fromkeys(numbers, 0)


def _busy_shares(before: Dict[int, CpuTimes], after: Dict[int, CpuTimes]) -> Dict[int, float]:
    shares = {}
    for number in before.keys() & after.keys():
        busy_s = after[number].busy_s - before[number].busy_s
        idle_s = after[number].idle_s - before[number].idle_s
        shares[number] = busy_s / (busy_s + idle_s) if busy_s + idle_s > 0 else 0.0
    return shares
