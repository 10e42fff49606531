"""What was found on a device: engines, meters, clocks, power modes; and what would add more."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evaluators.benchmark.survey import EngineFound, MeterFound, Survey
from evaluators.devices.ssh import SshDevice
from evaluators.engines import engine_names, load_engine
from evaluators.engines.engine import Engine
from evaluators.power_modes.found import SettingFound
from search.absence import stand_in_reason
from search.power_modes import look_at_power_modes
from search.target import device_at, look_at, pip_install

_PATIENCE_S = 120.0
"""How long looking at a slow board may take."""


def print_devices(connect: str | None = None, python: str = "python3") -> None:
    """Print the findings as tables.

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
    console = Console()
    console.print(_machine(device.name, found))
    console.print(_engines(found, python if isinstance(device, SshDevice) else None))
    console.print(_meters(found))
    console.print(_power_modes(settings))


def _machine(name: str, found: Survey) -> Table:
    table = Table(name, "", title_justify="left")
    facts = {**found.environment, "memory_mib": found.memory_bytes // 2**20}
    for key, value in facts.items():
        shown = "not told by this machine" if value is None else value
        table.add_row(key, escape(str(shown)))
    return table


def _engines(found: Survey, python: str | None) -> Table:
    """List engines; ``python`` is a board's interpreter, None on this machine."""
    table = Table("engine", "precisions", "here", "to add it")
    for name in engine_names():
        engine, there = load_engine(name), found.engines[name]
        table.add_row(name, ", ".join(engine.forms), *map(escape, _engine(engine, there, python)))
        why = None if there.missing else stand_in_reason(engine, found)
        if why is not None:
            table.add_row("", "", "no device", escape(why))
    return table


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


def _meters(found: Survey) -> Table:
    table = Table("meter", "measures", "here", "why not, and how to allow it")
    for meter in found.meters:
        why = meter.unavailable_reason
        here = "no" if why else "yes"
        if why is None and not meter.processors:
            here = "if named"
            why = (
                "nobody but you can know what it measures: if that is the device, write "
                f"device.meter: {meter.name}"
            )
        table.add_row(escape(meter.name), escape(_measured(meter)), here, escape(why or ""))
    return table


def _measured(meter: MeterFound) -> str:
    """Return the processors and what is added up, as far as it was found."""
    parts = [", ".join(part) for part in (meter.processors, meter.domains) if part]
    return ": ".join(parts)


def _power_modes(found: Sequence[SettingFound]) -> Table:
    table = Table("power mode", "values", "in force", "why not, and how to allow it")
    for setting in found:
        values = ", ".join(f"{setting.kind}:{value}" for value in setting.values) or "none"
        now = setting.now or ("" if setting.reason else "several")
        table.add_row(setting.kind, escape(values), escape(now), escape(setting.reason or ""))
    return table
