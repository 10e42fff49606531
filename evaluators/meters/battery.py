"""Battery: what a laptop or a battery-powered board draws from its batteries, screen and all.

::

    /sys/class/power_supply/BAT0/
        type           Battery          scope: Device would be a mouse's or a headset's
        status         Discharging
        power_now      8400000          uW; where it is missing:
        current_now    700000           uA, negative while discharging with some drivers
        voltage_now    12000000         uV

On mains a battery says nothing of the consumption, so there must be at least one that discharges.
Firmware refreshes these figures every second at best.

References:
    Documentation/ABI/testing/sysfs-class-power.
"""

from __future__ import annotations

import glob
import os
from typing import Dict, List

from evaluators.failures import DeviceLost
from evaluators.meters.meter import WHOLE_BOARD
from evaluators.meters.sampled import PowerFiles, SampledMeter
from evaluators.meters.sysfs import read_word

_DISCHARGING = "Discharging"


class BatteryMeter(SampledMeter):
    """The sum of all batteries that discharge: power of the whole machine.

    Args:
        root: The folder of power supplies; tests pass a fake tree.
    """

    name = "battery"
    processors = WHOLE_BOARD
    preference = 3
    shortest_s = 5.0

    def __init__(self, root: str = "/sys/class/power_supply") -> None:
        super().__init__()
        self._root = root

    def sources(self) -> List[PowerFiles]:
        """Return the batteries that discharge."""
        return [
            _power_files(name, os.path.join(self._root, name))
            for name, status in self._statuses().items()
            if status == _DISCHARGING
        ]

    def absence(self) -> str:
        """Say whether there is a battery, and what to do."""
        statuses = self._statuses()
        if not statuses:
            return "no battery under {}".format(self._root)
        shown = ", ".join("{} is {}".format(*item) for item in statuses.items())
        return "{}, and on mains it says nothing of the consumption: unplug it".format(shown)

    def read_w(self) -> Dict[str, float]:
        """Read the power, as long as nobody plugs the machine in."""
        for source in self._sampled:
            folder = os.path.join(self._root, source.domain)
            status = read_word(folder, "status")
            if status != _DISCHARGING:
                raise DeviceLost(
                    "{} must discharge while it is measured, but is {}. Leave the machine "
                    "unplugged.".format(folder, status or "gone")
                )
        return {source.domain: abs(source.read_w()) for source in self._sampled}

    def _statuses(self) -> Dict[str, str]:
        """Return name -> status of the machine's own batteries."""
        folders = sorted(glob.glob(os.path.join(self._root, "*")))
        return {
            os.path.basename(folder): read_word(folder, "status") or "of unknown status"
            for folder in folders
            if read_word(folder, "type") == "Battery" and read_word(folder, "scope") != "Device"
        }


def _power_files(name: str, folder: str) -> PowerFiles:
    power = os.path.join(folder, "power_now")
    if os.path.exists(power):
        return PowerFiles(name, (power,), 1e-6)
    both = (os.path.join(folder, "current_now"), os.path.join(folder, "voltage_now"))
    return PowerFiles(name, both, 1e-12)


METER = BatteryMeter()
