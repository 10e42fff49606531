"""What disturbed a measurement: other work, other guests, heat and a weak power supply.

The kernel's counters are read before and after a timed loop and never during it::

    watch = Watch(cpus)
    watch.start()
    samples = measure_latency(session, batches, settings)
    facts = watch.stop()

What can't be seen from here: that a hypervisor's host lowers its clock, or that its other guests
use up cache and memory bandwidth. Re-timing a reference artifact shows that.
"""

from __future__ import annotations

import resource
import time
from typing import Any, Collection, Dict, List, NamedTuple, Optional, Sequence

from evaluators.benchmark import slowdown
from evaluators.benchmark.cpus import read_core_threads
from evaluators.benchmark.kernel_files import CpuTimes, read_cpu_times, read_waited_s

FOREIGN_LIMIT = 0.05
"""More than this share of the CPUs measured on, for others, disturbs.

A process that waits for a share of the time is slower by about that share, and 5 % is what two
measurements of one artifact may differ by. On a virtual machine with two CPUs, others took 2.4 % at
most in 35 quiet loops of a second, and 49 % at least in 23 loops with a busy competitor."""
SHARED_LIMIT = 0.25
"""More than this share of other CPUs, for others, disturbs, because memory, the last cache and
turbo are shared; so does more than it of the CPUs measured on while this process rests. One busy
process on a board with four CPUs, one of them measured on, takes 33 %."""


class Counters(NamedTuple):
    """What only ever grows, seconds unless its name says otherwise.

    ``waited_s`` is how long threads of this process were ready to run and had to wait, None where
    the kernel doesn't count it.
    """

    clock_s: float
    own_cpu_s: float
    waited_s: Optional[float]
    involuntary_switches: int
    cpu_times: Dict[int, CpuTimes]


class Disturbance(NamedTuple):
    """What happened between `Watch.start` and `Watch.stop`; None where the machine doesn't tell.

    Shares are of the watched time and of all CPUs meant, from 0 to 1.

    Attributes:
        watched_s: How long it was watched.
        foreign_cpu_share: What others used of the CPUs measured on: their busy time less the CPU
            time of this process. The kernel counts busy time by looking at every tick, unless it
            was built with VIRT_CPU_ACCOUNTING. Over a second of 250 ticks it lay within 0.016 of
            ``waited_share`` while this process was busy all the time, but was up to 0.06 wrong
            where it rested every millisecond or so: ticks then hit or miss it in step.
        foreign_cpu_share_siblings: The same for the other hardware threads of the same cores.
        foreign_cpu_share_elsewhere: The same for all CPUs not measured on.
        waited_share: How long threads of this process were ready and had to wait for a CPU, which
            the kernel counts in nanoseconds. They wait for one another, too, where they are more
            than CPUs; and hardly for others where this process rests often: a busy competitor
            took 80 % of the CPU then, and 3 to 8 % was waited for.
        steal_share: What a hypervisor gave to its other guests.
        involuntary_switches: How often the kernel took a CPU away from any thread of this process.
        throttle_events: How often the processor slowed itself down for heat or power.
        firmware_flags: What a Raspberry Pi's firmware reports of this time: ``under-voltage``,
            ``frequency capped``, ``throttled``, ``soft temperature limit``.
        firmware_flags_since_boot: What it remembers of all the time before.
        cooling: The kernel's ways of slowing the CPU for heat that were in use.
        frequency_before_khz: The slowest of the CPUs measured on.
        temperature_before_millicelsius: The hottest sensor.
        reasons: A sentence for each disturbance above its limit.
        severity: The largest share over its limit, and 1 for each slowdown beside it: what is
            lower was disturbed less.
    """

    watched_s: float
    foreign_cpu_share: Optional[float]
    foreign_cpu_share_siblings: Optional[float]
    foreign_cpu_share_elsewhere: Optional[float]
    waited_share: Optional[float]
    steal_share: Optional[float]
    involuntary_switches: int
    throttle_events: Optional[int]
    firmware_flags: Optional[List[str]]
    firmware_flags_since_boot: Optional[List[str]]
    cooling: Optional[List[str]]
    frequency_before_khz: Optional[int]
    frequency_after_khz: Optional[int]
    temperature_before_millicelsius: Optional[int]
    temperature_after_millicelsius: Optional[int]
    reasons: List[str]
    severity: float


class Watch:
    """Reads the kernel's counters around a timed loop of this process.

    Args:
        cpus: Those that this process is pinned to.
        root: Where /proc and /sys are; tests pass a fake tree.
    """

    def __init__(self, cpus: Sequence[int], root: str = "/") -> None:
        self._cpus = list(cpus)
        self._root = root
        threads = {thread for cpu in cpus for thread in read_core_threads(cpu, root)}
        self._siblings = sorted(threads - set(cpus))

    def start(self) -> None:
        """Remember the counters; the slow sensors are read first, so that they don't count."""
        self._conditions = slowdown.read_conditions(self._cpus, self._root)
        self._counters = _read_counters(self._root)

    def stop(self) -> Dict[str, Any]:
        """Return what `Disturbance` holds, ready for JSON."""
        counters = _read_counters(self._root)
        conditions = slowdown.read_conditions(self._cpus, self._root)
        facts = disturbance_between(
            self._cpus, self._siblings, self._counters, counters, self._conditions, conditions
        )
        return facts._asdict()


def disturbance_between(
    cpus: Sequence[int],
    siblings: Sequence[int],
    start: Counters,
    stop: Counters,
    before: slowdown.Conditions,
    after: slowdown.Conditions,
) -> Disturbance:
    """Return what happened from ``start`` and ``before`` to ``stop`` and ``after``."""
    watched_s = stop.clock_s - start.clock_s
    elsewhere = (start.cpu_times.keys() & stop.cpu_times.keys()) - {*cpus, *siblings}
    steal_s = _used_s("steal_s", cpus, start, stop)
    busy_s = _used_s("busy_s", cpus, start, stop)
    # A hypervisor's other guests have a share of their own.
    own_s = stop.own_cpu_s - start.own_cpu_s
    foreign_s = None if busy_s is None else busy_s - (steal_s or 0.0) - own_s
    facts = Disturbance(
        watched_s=watched_s,
        foreign_cpu_share=_share(foreign_s, cpus, watched_s),
        foreign_cpu_share_siblings=_busy_share(siblings, start, stop),
        foreign_cpu_share_elsewhere=_busy_share(elsewhere, start, stop),
        waited_share=_share(_waited_s(start, stop), cpus, watched_s),
        steal_share=_share(steal_s, cpus, watched_s),
        involuntary_switches=stop.involuntary_switches - start.involuntary_switches,
        throttle_events=slowdown.throttle_events(before, after),
        firmware_flags=slowdown.firmware_flags(before, after),
        firmware_flags_since_boot=slowdown.firmware_flags_since_boot(after),
        cooling=slowdown.cooling_in_use(before, after),
        frequency_before_khz=before.frequency_khz,
        frequency_after_khz=after.frequency_khz,
        temperature_before_millicelsius=before.temperature_millicelsius,
        temperature_after_millicelsius=after.temperature_millicelsius,
        reasons=[],
        severity=0.0,
    )
    return _judged(facts)


def _read_counters(root: str) -> Counters:
    return Counters(
        clock_s=time.perf_counter(),
        own_cpu_s=time.process_time(),
        waited_s=read_waited_s(root),
        involuntary_switches=resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        cpu_times=read_cpu_times(root),
    )


def _used_s(field: str, cpus: Collection[int], start: Counters, stop: Counters) -> Optional[float]:
    """Return how much one of the `CpuTimes` grew on ``cpus`` together, None if one is unknown."""
    if not start.cpu_times.keys() & stop.cpu_times.keys() >= set(cpus):
        return None
    grown = [
        getattr(stop.cpu_times[cpu], field) - getattr(start.cpu_times[cpu], field) for cpu in cpus
    ]
    return float(sum(grown))


def _waited_s(start: Counters, stop: Counters) -> Optional[float]:
    if start.waited_s is None or stop.waited_s is None:
        return None
    return stop.waited_s - start.waited_s


def _busy_share(cpus: Collection[int], start: Counters, stop: Counters) -> Optional[float]:
    busy_s = _used_s("busy_s", cpus, start, stop)
    return _share(busy_s, cpus, stop.clock_s - start.clock_s)


def _share(seconds: Optional[float], cpus: Collection[int], watched_s: float) -> Optional[float]:
    """Return ``seconds`` as a share of the watched time of ``cpus``; ticks may overshoot it."""
    if seconds is None or not cpus:
        return None
    return min(1.0, max(0.0, seconds / (watched_s * len(cpus))))


def _judged(facts: Disturbance) -> Disturbance:
    """Return the facts with the reasons that they give, and how bad it is."""
    foreign = facts.foreign_cpu_share if _is_foreign_work_felt(facts) else None
    shares = (
        ("other work took", foreign, "CPUs measured on", FOREIGN_LIMIT),
        (
            "other work took",
            facts.foreign_cpu_share_siblings,
            "second threads of the cores measured on",
            FOREIGN_LIMIT,
        ),
        ("other work took", facts.foreign_cpu_share_elsewhere, "other CPUs", SHARED_LIMIT),
        (
            "the hypervisor gave other guests",
            facts.steal_share,
            "CPUs measured on",
            FOREIGN_LIMIT,
        ),
    )
    over = [
        (share / limit, what, share, whose, limit)
        for what, share, whose, limit in shares
        if share is not None and share > limit
    ]
    sentences = [
        "{} {:.3g} % of the {} (limit {:.3g} %)".format(what, 100 * share, whose, 100 * limit)
        for _, what, share, whose, limit in over
    ]
    slow = slowdown.reasons(facts.throttle_events, facts.firmware_flags, facts.cooling)
    severity = max((ratio for ratio, *_ in over), default=0.0) + len(slow)
    return facts._replace(reasons=sentences + slow, severity=severity)


def _is_foreign_work_felt(facts: Disturbance) -> bool:
    """Return False for a little that ticks alone tell, as they may be wrong or hit only rests."""
    if facts.waited_share is None or (facts.foreign_cpu_share or 0.0) > SHARED_LIMIT:
        return True
    return facts.waited_share > FOREIGN_LIMIT
