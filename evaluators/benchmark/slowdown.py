"""What slows a processor down: heat, power limits, a weak supply; and its clock and temperature."""

from __future__ import annotations

import glob
import os
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from evaluators.benchmark.cpus import cpu_file
from evaluators.benchmark.kernel_files import read_integer, read_text

FIRMWARE_FLAGS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
"""Bits 0 to 3 of a Raspberry Pi's word say that it is so now, bits 16 to 19 that it has been [1].

References:
    [1] Raspberry Pi documentation, "vcgencmd", get_throttled.
"""
CPU_COOLING = (
    "Processor",  # ACPI: a lower frequency, then fewer clock pulses
    "cpufreq-",  # a lower frequency; thermal-cpufreq-N before Linux 5.12
    "thermal-cpufreq-",
    "idle-",  # forced idle time; thermal-idle-N before Linux 5.12
    "thermal-idle-",
    "intel_powerclamp",  # forced idle time
    "cpu-throttle-alert",  # Jetson: its hardware lowered the CPU's clock
)
"""How the types of cooling devices begin that slow the CPU. Fans, displays, GPUs and the like
don't, and the state of ``TCC Offset`` is a setting."""


class Conditions(NamedTuple):
    """How the processor was at one moment.

    ``throttle_counts`` counts since boot, by kind (core or package), which core or package it is,
    and the CPU that tells it. ``cooling`` names what is in use.
    """

    throttle_counts: Dict[Tuple[str, str, int], int]
    firmware_word: Optional[int]
    cooling: Optional[List[str]]
    frequency_khz: Optional[int]
    temperature_millicelsius: Optional[int]


def read_conditions(cpus: Sequence[int], root: str = "/") -> Conditions:
    """Read how the processor is now; its frequency is that of the slowest of ``cpus``."""
    frequencies = [read_integer(cpu_file(cpu, "cpufreq/scaling_cur_freq", root)) for cpu in cpus]
    return Conditions(
        throttle_counts=_throttle_counts(root),
        firmware_word=_firmware_word(root),
        cooling=_cooling(root),
        frequency_khz=min((value for value in frequencies if value is not None), default=None),
        temperature_millicelsius=read_hottest_millicelsius(root),
    )


def read_hottest_millicelsius(root: str = "/") -> Optional[int]:
    """Return the hottest thermal zone, None where there is none."""
    zones = glob.glob(os.path.join(root, "sys/class/thermal/thermal_zone*/temp"))
    values = [read_integer(path) for path in zones]
    return max((value for value in values if value is not None), default=None)


def throttle_events(before: Conditions, after: Conditions) -> Optional[int]:
    """Return how often the processor slowed itself down, None where it doesn't count that.

    Every CPU counts its core's and its package's events, so each of those is taken once: from the
    CPU that saw most.

    References:
        Documentation/admin-guide/abi-testing, /sys/devices/system/cpu/cpu#/thermal_throttle.
    """
    if not after.throttle_counts:
        return None
    events: Dict[Tuple[str, str], int] = {}
    for key, count in after.throttle_counts.items():
        seen = count - before.throttle_counts.get(key, count)
        events[key[:2]] = max(events.get(key[:2], 0), seen)
    return sum(events.values())


def firmware_flags(before: Conditions, after: Conditions) -> Optional[List[str]]:
    """Return what a Raspberry Pi's firmware reports of the time between, None elsewhere.

    Something counts if it is so now, was so at the start, or has been so since, which a bit of
    ``after`` tells that wasn't set before.
    """
    if before.firmware_word is None or after.firmware_word is None:
        return None
    newly = (after.firmware_word & ~before.firmware_word) >> 16
    return _words(before.firmware_word | after.firmware_word | newly)


def firmware_flags_since_boot(after: Conditions) -> Optional[List[str]]:
    """Return what the firmware remembers of all the time before, None where it doesn't."""
    return None if after.firmware_word is None else _words(after.firmware_word >> 16)


def cooling_in_use(before: Conditions, after: Conditions) -> Optional[List[str]]:
    """Return which of the CPU's cooling devices were in use at either end, None without any."""
    if before.cooling is None or after.cooling is None:
        return None
    return sorted({*before.cooling, *after.cooling})


def reasons(
    events: Optional[int], flags: Optional[List[str]], in_use: Optional[List[str]]
) -> List[str]:
    """Return a sentence for each way in which the processor was slowed down."""
    sentences = []
    if events:
        sentences.append("the processor slowed itself down {} times".format(events))
    if flags:
        sentences.append("the firmware reports: {}".format(", ".join(flags)))
    if in_use:
        sentences.append("the kernel cools by slowing the CPU: {}".format(", ".join(in_use)))
    return sentences


def _words(bits: int) -> List[str]:
    return [name for bit, name in enumerate(FIRMWARE_FLAGS) if bits >> bit & 1]


def _throttle_counts(root: str) -> Dict[Tuple[str, str, int], int]:
    counts = {}
    for folder in glob.glob(os.path.join(root, "sys/devices/system/cpu/cpu[0-9]*")):
        cpu = int(os.path.basename(folder)[len("cpu") :])
        package = read_text(cpu_file(cpu, "topology/physical_package_id", root)) or ""
        core = read_text(cpu_file(cpu, "topology/core_id", root)) or str(cpu)
        for kind, owner in (("core", package + ":" + core), ("package", package)):
            count = read_integer(
                cpu_file(cpu, "thermal_throttle/{}_throttle_count".format(kind), root)
            )
            if count is not None:
                counts[kind, owner, cpu] = count
    return counts


def _firmware_word(root: str) -> Optional[int]:
    """Return the word of flags; where the kernel has only the voltage sensor's alarm, its bit.

    The Raspberry Pi Foundation's kernels have the word, in hexadecimal digits; mainline and the
    Raspberry Pi 5 have the alarm (drivers/hwmon/raspberrypi-hwmon.c), which tells of under-voltage
    in the last two seconds.
    """
    for path in glob.glob(os.path.join(root, "sys/devices/platform/soc*/soc*:firmware")):
        text = read_text(os.path.join(path, "get_throttled"))
        if text and re.match(r"^(0x)?[0-9a-fA-F]+$", text):
            return int(text, 16)
    for path in glob.glob(os.path.join(root, "sys/class/hwmon/hwmon*")):
        if read_text(os.path.join(path, "name")) == "rpi_volt":
            return read_integer(os.path.join(path, "in0_lcrit_alarm"))
    return None


def _cooling(root: str) -> Optional[List[str]]:
    devices = glob.glob(os.path.join(root, "sys/class/thermal/cooling_device*"))
    states: Dict[str, int] = {}
    for device in devices:
        name = read_text(os.path.join(device, "type")) or ""
        if name.startswith(CPU_COOLING):
            state = read_integer(os.path.join(device, "cur_state"))
            states[name] = max(states.get(name, 0), state or 0)
    return sorted(name for name, state in states.items() if state > 0) if states else None
