"""nvpmodel: the power modes of a Jetson, which bound its clocks and switch CPUs off.

::

    /etc/nvpmodel.conf      < POWER_MODEL ID=0 NAME=15W >
                            ...
                            < POWER_MODEL ID=2 NAME=MAXN_SUPER >
    nvpmodel -q             NV Power Mode: 15W
                            0

References:
    NVIDIA Jetson Linux Developer Guide, "Power Mode Controls" and "NVPModel".

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from evaluators.failures import CandidateRejected
from evaluators.power_modes.as_root import run_as_root, unallowed_reason
from evaluators.power_modes.setting import Place, Setting

_MODE = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>")
_NOW = re.compile(r"NV Power Mode:\s*(\S+)")


class Nvpmodel(Setting):
    """The power mode, by its name."""

    kind = "nvpmodel"
    outlives_boot = True

    def __init__(self, place: Place) -> None:
        self._conf = place.nvpmodel_conf

    def values(self) -> List[str]:
        """Return the modes that the board's file lists, in its order."""
        return list(self._ids())

    def absence(self) -> str:
        """Say what was looked for."""
        return "{} lists no power mode (Jetson boards have it)".format(self._conf)

    def now(self) -> Optional[str]:
        """Ask nvpmodel."""
        found = _NOW.search(run_as_root("nvpmodel", "-q"))
        return found.group(1) if found else None

    def unsettable_reason(self) -> Optional[str]:
        """Try to ask nvpmodel as root."""
        return unallowed_reason("nvpmodel", "-q")

    def remember(self) -> Optional[str]:
        """Return the mode in force."""
        return self.now()

    def set(self, value: str) -> None:
        """Set a mode; one that is in force is left alone, as setting it would unlock clocks."""
        if self.now() == value:
            return
        said = run_as_root("nvpmodel", "-m", self._ids()[value])
        if self.now() != value:
            raise CandidateRejected(
                "nvpmodel:{} was set, but isn't in force; some modes need a reboot, which isn't "
                "done here. Leave it out, or boot in it. nvpmodel said: {}".format(
                    value, " ".join(said.split())[-200:]
                )
            )

    def put_back(self, value: str, before: Optional[str]) -> None:
        """Set the mode from before, where ours is in force."""
        if before in self._ids() and before != value and self.now() == value:
            self.set(str(before))

    def _ids(self) -> Dict[str, str]:
        try:
            with open(self._conf, errors="replace") as file:
                text = file.read()
        except OSError:
            return {}
        return {name: number for number, name in _MODE.findall(text)}
