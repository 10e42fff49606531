"""jetson_clocks: holds a Jetson's clocks at the highest that its power mode allows.

It raises the lowest clock of CPUs, GPU and memory to the highest, and keeps the CPUs from resting.
It can store what was set before, and restore that. NVIDIA's script ends with 0 even after an error,
so what counts is what the kernel says.

References:
    NVIDIA Jetson Linux Developer Guide, "Maximizing Jetson Performance"; /usr/bin/jetson_clocks.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from typing import List, Optional

from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.power_modes.as_root import find_program, run_as_root, unallowed_reason
from evaluators.power_modes.setting import Place, Setting

_OFF, _ON = "off", "on"


class JetsonClocks(Setting):
    """``on`` or ``off``; what was on at the beginning can't be switched off."""

    kind = "jetson_clocks"

    def __init__(self, place: Place) -> None:
        self._root = place.cpufreq

    def values(self) -> List[str]:
        """Return both where the program is here."""
        return [] if find_program("jetson_clocks") is None else [_OFF, _ON]

    def absence(self) -> str:
        """Say what was looked for."""
        return "the program jetson_clocks isn't here (Jetson boards have it)"

    def now(self) -> Optional[str]:
        """Say ``on`` where no CPU may clock lower than its highest."""
        ranges = [_bounds(folder) for folder in glob.glob(os.path.join(self._root, "policy[0-9]*"))]
        return _ON if ranges and all(low == high for low, high in ranges) else _OFF

    def unsettable_reason(self) -> Optional[str]:
        """Try to ask the program as root, and say where it is on already."""
        if self.now() == _ON:
            return (
                "jetson_clocks is on already, and what was set before it isn't known. Switch it "
                "off with: sudo reboot"
            )
        return unallowed_reason("jetson_clocks", "--show")

    def remember(self) -> str:
        """Return what the program stores of what is set now."""
        folder = tempfile.mkdtemp()  # the program refuses a file that exists, and root writes it
        try:
            path = os.path.join(folder, "clocks")
            said = run_as_root("jetson_clocks", "--store", path)
            with open(path) as file:
                return file.read()
        except OSError as error:
            reason = "jetson_clocks stored nothing ({}): {}".format(error.strerror, said.strip())
            raise CandidateRejected(reason) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def set(self, value: str) -> None:
        """Switch it on; off is what it was."""
        said = run_as_root("jetson_clocks") if value == _ON else ""
        if self.now() != value:
            raise CandidateRejected(
                "jetson_clocks:{} can't be set: it stays {}. {}".format(
                    value, self.now(), " ".join(said.split())[-200:]
                ).rstrip()
            )

    def put_back(self, value: str, before: str) -> None:
        """Restore what was stored, where it was switched on."""
        if value != _ON:
            return
        folder = tempfile.mkdtemp()
        try:
            path = os.path.join(folder, "clocks")
            with open(path, "w") as file:
                file.write(before)
            run_as_root("jetson_clocks", "--restore", path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if self.now() == _ON:
            raise DeviceLost("jetson_clocks must be off again, but stays on.")


def _bounds(folder: str) -> List[str]:
    found = []
    for name in ("scaling_min_freq", "scaling_max_freq"):
        path = os.path.join(folder, name)
        try:
            with open(path) as file:
                found.append(file.read().strip())
        except OSError as error:
            raise DeviceLost("{} can't be read: {}.".format(path, error.strerror)) from error
    return found
