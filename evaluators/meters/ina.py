"""INA3221: the chips that measure the rails of NVIDIA's Jetson boards.

::

    /sys/bus/i2c/drivers/
        ina3221/1-0040/hwmon/hwmon3/     JetPack 5 and later, and the kernel's own driver
            in1_label   VDD_IN
            in1_input   4968             mV
            curr1_input 800              mA
        ina3221x/6-0040/iio:device0/     JetPack 4 and older; older still: iio_device
            rail_name_0     POM_5V_IN
            in_power0_input 2875         mW

Where one rail feeds the module, it alone is counted; the others are parts of it. Elsewhere (AGX
Xavier, AGX Orin, AGX Thor) the rails lie side by side and are added up.

References:
    [1] Documentation/hwmon/ina3221.rst and drivers/hwmon/ina3221.c: files and units; channel 7 is
        the sum of shunt voltages; a channel that isn't connected has no label, or is disabled.
    [2] NVIDIA Jetson Linux Developer Guide, "Software-Based Power Consumption Modeling" and "Power
        Monitor": rails by board; NC is not connected.
    [3] jetson_stats, jtop/core/power.py: which rail is the total, and the files of both drivers.
    [4] energymon, jetson/, "Jetson Power Rails": what feeds what. On the AGX Orin VIN_SYS_5V0 feeds
        VDDQ_VDD2_1V8AO; on the TX1 and TX2 VDD_IN feeds the module and VDD_MUX its carrier.
"""

from __future__ import annotations

import glob
import os
from typing import List

from evaluators.meters.meter import WHOLE_BOARD
from evaluators.meters.sampled import PowerFiles, SampledMeter
from evaluators.meters.sysfs import read_word

_INPUTS = ("VDD_IN", "POM_5V_IN", "5V_IN")
"""Rails that feed a whole module [3]."""
_FED_BY = {"VDDQ_VDD2_1V8AO": "VIN_SYS_5V0"}
"""Rail -> another measured one that it is a part of [4]."""
_UNCONNECTED = ("", "NC")


class InaMeter(SampledMeter):
    """The input of a Jetson module, or the sum of its rails. CPU and GPU share them.

    Args:
        root: The folder of I2C drivers; tests pass a fake tree.
    """

    name = "ina"
    processors = WHOLE_BOARD
    preference = 1

    def __init__(self, root: str = "/sys/bus/i2c/drivers") -> None:
        super().__init__()
        self._root = root

    def sources(self) -> List[PowerFiles]:
        """Return the rails that are counted."""
        rails = self._hwmon_rails() + self._iio_rails()
        names = {rail.domain for rail in rails}
        inputs = [rail for rail in rails if rail.domain in _INPUTS]
        return inputs or [rail for rail in rails if _FED_BY.get(rail.domain) not in names]

    def absence(self) -> str:
        """Say what was looked for."""
        return "no INA3221 rail under {} (Jetson boards have them)".format(self._root)

    def _hwmon_rails(self) -> List[PowerFiles]:
        found = []
        for folder in self._folders("ina3221/*/hwmon/hwmon*"):
            for channel in (1, 2, 3):
                label = read_word(folder, "in{}_label".format(channel))
                enabled = read_word(folder, "in{}_enable".format(channel)) != "0"
                if enabled and label not in _UNCONNECTED:
                    names = ("in{}_input".format(channel), "curr{}_input".format(channel))
                    paths = tuple(os.path.join(folder, name) for name in names)
                    found.append(PowerFiles(label, paths, 1e-6))  # mV x mA
        return found

    def _iio_rails(self) -> List[PowerFiles]:
        found = []
        for folder in self._folders("ina3221x/*/iio[:_]device*"):
            for channel in (0, 1, 2):
                label = read_word(folder, "rail_name_{}".format(channel))
                if label not in _UNCONNECTED:
                    path = os.path.join(folder, "in_power{}_input".format(channel))
                    found.append(PowerFiles(label, (path,), 1e-3))  # mW
        return found

    def _folders(self, pattern: str) -> List[str]:
        return sorted(glob.glob(os.path.join(self._root, pattern)))


METER = InaMeter()
