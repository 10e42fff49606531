"""hwmon: whatever sensor of power the kernel has a driver for, by the name of its chip.

::

    /sys/class/hwmon/hwmon4/
        name              amdgpu
        device            -> ../../../0000:03:00.0
        power1_input      31000000     uW, now
        power1_average    30000000     uW, over the chip's own interval; only read where there is
        power1_label      PPT          no power1_input

A chip's name says what it measures only for some drivers (`KNOWN`); all inputs of such a chip are
added up. A current sensor such as the ina226 measures whatever its board's maker wired to it, and a
power supply's input contains its outputs. So none of these is ever chosen unasked, but a space file
may name one: ``device.meter: hwmon:ina226@1-0040/power1``.

i915, xe and amd_energy only have counters of energy (energy1_input), which aren't read here.

References:
    Documentation/hwmon/sysfs-interface.rst: files and units.
"""

from __future__ import annotations

import glob
import os
from typing import Dict, List, NamedTuple, Tuple

from evaluators.meters.meter import WHOLE_BOARD, Meter
from evaluators.meters.sampled import PowerFiles, SampledMeter
from evaluators.meters.sysfs import read_word

KNOWN: Dict[str, Tuple[str, ...]] = {
    "amdgpu": (),  # drivers/gpu/drm/amd/pm: a card, or the SoC of an APU with its CPU
    "nouveau": ("gpu",),  # drivers/gpu/drm/nouveau/nouveau_hwmon.c
    "zenpower": ("cpu",),  # SVI2_P_Core and SVI2_P_SoC, two rails side by side
    "fam15h_power": ("cpu",),  # Documentation/hwmon/fam15h_power.rst: the processor
    "power_meter": WHOLE_BOARD,  # Documentation/hwmon/acpi_power_meter.rst: the machine
}
"""Chip -> what it measures; nothing where that is for the person to know."""
_GPUS = ("amdgpu", "nouveau")


class _Input(NamedTuple):
    """One ``powerN`` of one device."""

    chip: str
    device: str
    label: str
    path: str

    @property
    def part(self) -> str:
        """What a space file calls it: the chip, or the input itself where nobody knows the chip."""
        if self.chip in KNOWN:
            return self.chip
        return "{}@{}/{}".format(self.chip, self.device, _power(self.path))


class HwmonMeter(SampledMeter):
    """One chip's power, or one input's.

    Args:
        root: The folder of all hwmon devices; tests pass a fake tree.
        part: As in ``hwmon:PART``; empty for the one that only lists the others.
    """

    preference = 2

    def __init__(self, root: str = "/sys/class/hwmon", part: str = "") -> None:
        super().__init__()
        self._root = root
        self._part = part
        self.name = "hwmon:" + part if part else "hwmon"
        self.processors = KNOWN.get(part, ())

    def parts(self) -> List[Meter]:
        """Return every known chip and every input of the others; itself if it is one of them."""
        if self._part:
            return [self]
        names = sorted({found.part for found in self._inputs()})
        return [self.part(name) for name in names] or [self]

    def part(self, name: str) -> Meter:
        """Return one of `parts`, or one whose chip isn't here and which says so."""
        return HwmonMeter(self._root, name)

    def sources(self) -> List[PowerFiles]:
        """Return the part's inputs; of several GPUs the first, which is what engines use."""
        found = [each for each in self._inputs() if each.part == self._part]
        if self._part in _GPUS:
            found = [each for each in found if each.device == found[0].device]
        return [
            PowerFiles("{}@{}/{}".format(each.chip, each.device, each.label), (each.path,), 1e-6)
            for each in found
        ]

    def absence(self) -> str:
        """Say what is there instead."""
        names = sorted({"hwmon:" + found.part for found in self._inputs()})
        if not names:
            return "no power*_input or power*_average under {}".format(self._root)
        if self._part:
            return "no {} under {}, only {}".format(self._part, self._root, ", ".join(names))
        return "it must be told which sensor measures the device: {}".format(", ".join(names))

    def _inputs(self) -> List[_Input]:
        found: Dict[Tuple[str, str], _Input] = {}
        for ending in ("average", "input"):  # the latter replaces the former
            for place in ("hwmon*", "hwmon*/device"):  # older drivers: with the device
                for path in glob.glob(os.path.join(self._root, place, "power[0-9]*_" + ending)):
                    folder, power = os.path.dirname(path), _power(path)
                    found[folder, power] = _describe(folder, power, path)
        return sorted(found.values())


def _power(path: str) -> str:
    """Return ``power1`` of ``.../power1_input``."""
    return os.path.basename(path).partition("_")[0]


def _describe(folder: str, power: str, path: str) -> _Input:
    link = folder if os.path.basename(folder) == "device" else os.path.join(folder, "device")
    device = os.path.realpath(link) if os.path.exists(link) else folder
    label = read_word(folder, power + "_label") or power
    return _Input(read_word(folder, "name"), os.path.basename(device), label, path)


METER = HwmonMeter()
