"""The plan that a search would make of the grid on the machine that the table was recorded on."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.fidelity_parts.measure import LIMITS
from benchmarks.replay_parts.grid import grid_space
from benchmarks.replay_parts.table import Table
from evaluators.devices.local import LocalDevice
from evaluators.engines import load_engine
from evaluators.measurement import MEASURED, PowerSource
from search.plan import Plan, make_plan
from search.target import Target


class RecordedDevice(LocalDevice):
    """A device that is only known by its name and how many CPUs it has; it runs nothing."""

    def __init__(self, name: str, cpu_count: int) -> None:
        super().__init__(name, LIMITS)
        self._cpu_count = cpu_count

    @property
    def cpu_count(self) -> int:
        """Return how many CPUs the recorded machine has."""
        return self._cpu_count


def recorded_plan(table: Table, overrides: Sequence[str] = ()) -> Plan:
    """Return the plan of the grid; no engine has to be installed.

    Args:
        table: What was recorded.
        overrides: Of `grid_space`.
    """
    space = grid_space(overrides)
    names = space.device.engines
    target = Target(
        {name: load_engine(name) for name in names},
        RecordedDevice(space.device.name, table.cpu_count),
        table.cpu_model,
        dict.fromkeys(names, MEASURED),
        PowerSource(None, None),
        (),
    )
    return make_plan(space, target, table.workload)
