"""What was found on a device: engines, meters, clocks, power modes; and what would add more.

``python -m search devices`` prints it, and Python has it as tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from evaluators.benchmark.survey import EngineFound, MeterFound, Survey
from evaluators.devices.ssh import SshDevice
from evaluators.engines import engine_names, load_engine
from evaluators.engines.engine import Engine
from evaluators.power_modes.found import SettingFound
from reports.shown import Shown
from search.absence import stand_in_reason
from search.power_modes import look_at_power_modes
from search.target import device_at, look_at, pip_install

if TYPE_CHECKING:
    import pandas as pd

_PATIENCE_S = 120.0
"""How long looking at a slow board may take."""

_ENGINES = ("engine", "precisions", "found", "remedy", "stand_in")
_METERS = ("meter", "measures", "found", "remedy")
_POWER_MODES = ("power_mode", "values", "in_force", "remedy")
_WHY_NOT = "why not, and how to allow it"


@dataclass(frozen=True, slots=True, repr=False)
class DeviceSurvey(Shown):
    """A device as it was looked at; a notebook shows what the command prints.

    Attributes:
        name: This machine's, or the board's address.
        found: Its engines, meters and clocks.
        settings: Its power modes.
        board_python: The interpreter that runs there; None on this machine.
    """

    name: str
    found: Survey
    settings: Sequence[SettingFound]
    board_python: str | None

    def __rich__(self) -> RenderableType:
        unknown, facts = "not told by this machine", self._facts().items()
        machine = [(name, unknown if value is None else str(value)) for name, value in facts]
        engines = list[Sequence[str]]()
        for *row, stand_in in self._engine_rows():
            engines.append(row)
            if stand_in:
                engines.append(("", "", "no device", stand_in))
        return Group(
            _table((self.name, ""), machine),
            _table(("engine", "precisions", "here", "to add it"), engines),
            _table(("meter", "measures", "here", _WHY_NOT), self._meter_rows()),
            _table(("power mode", "values", "in force", _WHY_NOT), self._power_mode_rows()),
        )

    def __repr__(self) -> str:
        return f"<survey of {self.name}>"

    def machine(self) -> pd.Series:
        """Return processor, clocks, temperature and memory; None is what it doesn't tell."""
        import pandas as pd

        return pd.Series(self._facts(), name=self.name, dtype=object)

    def engines(self) -> pd.DataFrame:
        """Return every engine of this version, one row each.

        ``found`` is its runtime's version, or ``no:`` and what is missing, ``remedy`` what would
        add it. ``stand_in`` says why its device can't be measured, only something in its place.
        """
        return _frame(_ENGINES, self._engine_rows())

    def meters(self) -> pd.DataFrame:
        """Return every source of power, what it measures, and whether it can be read.

        ``found`` is yes, no, or ``if named``; ``remedy`` says why, and how to allow it.
        """
        return _frame(_METERS, self._meter_rows())

    def power_modes(self) -> pd.DataFrame:
        """Return what can be set of the device's power: its values, the one in force, why not."""
        return _frame(_POWER_MODES, self._power_mode_rows())

    def _facts(self) -> dict[str, Any]:
        return {**self.found.environment, "memory_mib": self.found.memory_bytes // 2**20}

    def _engine_rows(self) -> Iterator[tuple[str, ...]]:
        for name in engine_names():
            engine, there = load_engine(name), self.found.engines[name]
            found, remedy = _engine(engine, there, self.board_python)
            stand_in = None if there.missing else stand_in_reason(engine, self.found)
            yield name, ", ".join(engine.forms), found, remedy, stand_in or ""

    def _meter_rows(self) -> Iterator[tuple[str, ...]]:
        for meter in self.found.meters:
            why = meter.unavailable_reason
            here = "no" if why else "yes"
            if why is None and not meter.processors:
                here = "if named"
                why = (
                    "nobody but you can know what it measures: if that is the device, write "
                    f"device.meter: {meter.name}"
                )
            yield meter.name, _measured(meter), here, why or ""

    def _power_mode_rows(self) -> Iterator[tuple[str, ...]]:
        for kind, values, now, reason in self.settings:
            shown = ", ".join(f"{kind}:{value}" for value in values) or "none"
            yield kind, shown, now or ("" if reason else "several"), reason or ""


def devices(connect: str | None = None, python: str = "python3") -> DeviceSurvey:
    """Look at this machine or at a board.

    Args:
        connect: ``ssh://user@host[:port]`` for a board; None for this machine.
        python: The board's interpreter.

    Raises:
        UsageError: If ``connect`` is no address.
        MissingError: If the board can't be reached or lacks Python or NumPy.
    """
    with closing(device_at(connect, python, _PATIENCE_S)) as device:
        found = look_at(device)
        settings, _ = look_at_power_modes(device, put_back=False)
    board_python = python if isinstance(device, SshDevice) else None
    return DeviceSurvey(device.name, found, settings, board_python)


def _engine(engine: Engine, there: EngineFound, python: str | None) -> tuple[str, str]:
    """Return whether an engine is there, and what would add it."""
    if there.missing is not None:
        remedy = there.missing.remedy
        if python is not None and engine.is_from_pip:
            remedy = pip_install(engine, python)
        return f"no: {there.missing.what} is missing", remedy
    compiler = engine.missing_compiler()
    if compiler is not None:
        return f"no: {compiler.what} is missing on this machine", compiler.remedy
    distribution = there.distribution or engine.distribution
    return f"{distribution} {there.version or 'of unknown version'}", ""


def _measured(meter: MeterFound) -> str:
    """Return the processors and what is added up, as far as it was found."""
    parts = [", ".join(part) for part in (meter.processors, meter.domains) if part]
    return ": ".join(parts)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*map(escape, titles))
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _frame(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))
