"""What the machine was like while something was measured on it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from typing import Any, Dict, Optional

import numpy as np

from evaluators.benchmark.cpus import read_core_threads, usable_cpus
from evaluators.benchmark.kernel_files import read_integer, read_text
from evaluators.benchmark.slowdown import read_hottest_millicelsius


def read_environment(root: str = "/") -> Dict[str, Any]:
    """Return facts with their units in the names; None where the machine doesn't tell.

    Args:
        root: Where /proc and /sys are; tests pass a fake tree.
    """
    cpus = usable_cpus()
    folder = os.path.join(root, "sys/devices/system/cpu")
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu_model": cpu_model(root),
        "vnni": _has_vnni(root),
        "cpu_count": len(cpus),
        "core_count": len({read_core_threads(cpu, root) for cpu in cpus}),
        "smt": _switch(os.path.join(folder, "smt/active")),
        "turbo": _turbo(folder),
        "frequency_driver": read_text(os.path.join(folder, "cpu0/cpufreq/scaling_driver")),
        "governor": read_text(os.path.join(folder, "cpu0/cpufreq/scaling_governor")),
        "idle_driver": read_text(os.path.join(folder, "cpuidle/current_driver")),
        "frequency_khz": read_integer(os.path.join(folder, "cpu0/cpufreq/scaling_cur_freq")),
        "temperature_millicelsius": read_hottest_millicelsius(root),
        "load_1min": os.getloadavg()[0],
    }


def cpu_model(root: str = "/") -> str:
    """Return the processor's own name, or the board's where the kernel gives no other."""
    board = read_text(os.path.join(root, "proc/device-tree/model"))
    if board:
        return board.rstrip("\0")
    for line in (read_text(os.path.join(root, "proc/cpuinfo")) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or platform.machine()


def boot_id(root: str = "/") -> str:
    """Return what tells one running machine from any other, empty where the kernel has no such.

    Containers share it with their host, as they share its processor.
    """
    return read_text(os.path.join(root, "proc/sys/kernel/random/boot_id")) or ""


def machine_fingerprint() -> str:
    """Return a hash of what results of this machine depend on: processor, cores and system.

    Training sums in another order on another number of threads, and in bfloat16 where the
    processor has it.
    """
    facts = [
        platform.machine(),
        platform.system(),
        cpu_model(),
        len(usable_cpus()),
        _cpu_features(),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _cpu_features(root: str = "/") -> str:
    """Return the instruction sets the kernel lists, empty where it lists none."""
    lines = (read_text(os.path.join(root, "proc/cpuinfo")) or "").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _has_vnni(root: str) -> Optional[bool]:
    """Say whether an x86 processor has VNNI; None for any other, which has no need of it."""
    key, _, features = _cpu_features(root).partition(":")
    return "vnni" in features if key.strip() == "flags" else None


def _turbo(folder: str) -> Optional[bool]:
    """Return whether clocks above the rated one are allowed; intel_pstate says it the other way."""
    forbidden = _switch(os.path.join(folder, "intel_pstate/no_turbo"))
    return _switch(os.path.join(folder, "cpufreq/boost")) if forbidden is None else not forbidden


def _switch(path: str) -> Optional[bool]:
    value = read_integer(path)
    return None if value is None else value != 0
