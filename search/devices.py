"""What was found on this machine: engines, devices, meters and clocks; and what would add more."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evaluators.benchmark.environment import read_environment
from evaluators.engines import engine_names, load_engine
from evaluators.meters import load_meter, meter_names
from evaluators.meters.meter import Meter
from evaluators.recipe import tool_versions
from search.target import NOT_YET


def print_devices() -> None:
    """Print the findings as tables."""
    console = Console()
    console.print(_machine())
    console.print(_engines())
    console.print(_meters())


def _machine() -> Table:
    table = Table("this machine", "", title_justify="left")
    for name, value in read_environment().items():
        shown = "not told by this machine" if value is None else value
        table.add_row(name, escape(str(shown)))
    return table


def _engines() -> Table:
    table = Table("engine", "precisions", "here", "to add it")
    for name in engine_names():
        engine = load_engine(name)
        lacks = engine.missing()
        precisions = ", ".join(engine.forms)
        if lacks is not None:
            table.add_row(
                name, precisions, f"no: {escape(lacks.what)} is missing", escape(lacks.remedy)
            )
            continue
        version = tool_versions(engine.distribution)[engine.distribution]
        stand_in = engine.stand_in_reason()
        here = f"{engine.distribution} {version}"
        if stand_in is not None:
            table.add_row(name, precisions, f"{here}, no device", escape(stand_in))
            continue
        table.add_row(name, precisions, here, "")
    for name, what in NOT_YET.items():
        table.add_row(name, "", "no", f"nothing: this version has no engine for {what}")
    return table


def _meters() -> Table:
    table = Table("meter", "measures", "here", "why not, and how to allow it")
    for meter in [part for name in meter_names() for part in load_meter(name).parts()]:
        why = meter.unavailable_reason()
        here = "no" if why else "yes"
        if why is None and not meter.processors:
            here = "if named"
            why = (
                "nobody but you can know what it measures: if that is the device, write "
                f"device.meter: {meter.name}"
            )
        table.add_row(escape(meter.name), escape(_measured(meter)), here, escape(why or ""))
    return table


def _measured(meter: Meter) -> str:
    """Return the processors and what is added up, as far as it was found."""
    parts = [", ".join(part) for part in (meter.processors, meter.domains()) if part]
    return ": ".join(parts)
