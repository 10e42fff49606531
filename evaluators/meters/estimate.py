"""Power where no meter exists: an estimate from CPU time and rated power, and called one."""

from __future__ import annotations


def estimate_power_w(
    cpu_time_s: float, seconds: float, cpu_count: int, rated_power_w: float
) -> float:
    """Return the share of the rated power that goes with the share of CPU time used.

    The rated power is what the device draws with all of its CPUs busy. Idle power, clocks and
    memory traffic are ignored, so this ranks configurations of one device and says little more.
    """
    return rated_power_w * min(1.0, cpu_time_s / (seconds * cpu_count))
