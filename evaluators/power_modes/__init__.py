"""How fast a device runs, and at what power: one file a kind of setting, set and put back.

A power mode is one or several settings, in the words of the device: ``governor:performance``,
``nvpmodel:15W+jetson_clocks:on``. It is set for a measurement and put back after it, whoever dies::

    worker ---- mode ----> guardian      a process of its own, in a session of its own
                             | writes what is in force into the memory, and holds its lock
                             | sets the mode
           <--- it is set ---'
    measures                 waits
    hangs up, or is killed > puts back, empties the memory, ends

Where the guardian is killed as well, or the power fails, the memory keeps what was in force:
whoever measures next on the machine puts it back first.

These files run on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

from typing import Dict

from evaluators.power_modes.governor import Governor
from evaluators.power_modes.jetson_clocks import JetsonClocks
from evaluators.power_modes.nvpmodel import Nvpmodel
from evaluators.power_modes.setting import Place, Setting


def settings_at(place: Place) -> Dict[str, Setting]:
    """Return every kind of setting by its name, in the order in which they are set.

    nvpmodel comes first: it gives the others their bounds.
    """
    kinds = (Nvpmodel(place), Governor(place), JetsonClocks(place))
    return {setting.kind: setting for setting in kinds}
