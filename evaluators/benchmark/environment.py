"""What the machine was like while something was measured on it."""

from __future__ import annotations

import glob
import os
import platform
from typing import Any, Dict, Optional

from evaluators.benchmark.cpus import usable_cpus


def read_environment() -> Dict[str, Any]:
    """Return facts with their units in the names; None where the machine doesn't tell."""
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpu_model": cpu_model(),
        "cpu_count": len(usable_cpus()),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "frequency_khz": _integer("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"),
        "temperature_millicelsius": _hottest_millicelsius(),
        "load_1min": os.getloadavg()[0],
    }


def cpu_model() -> str:
    """Return the processor's own name, or the board's where the kernel gives no other."""
    board = _read("/proc/device-tree/model")
    if board:
        return board.rstrip("\0")
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or platform.machine()


def _hottest_millicelsius() -> Optional[int]:
    zones = [_integer(path) for path in glob.glob("/sys/class/thermal/thermal_zone*/temp")]
    return max((value for value in zones if value is not None), default=None)


def _integer(path: str) -> Optional[int]:
    text = _read(path)
    return int(text) if text is not None and text.strip().lstrip("-").isdigit() else None


def _read(path: str) -> Optional[str]:
    try:
        with open(path, errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None
