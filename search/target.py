"""What a space file's device really is here: engines, power source, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import psutil

from evaluators.benchmark.survey import Survey
from evaluators.child_process import Limits
from evaluators.devices.boards import Boards
from evaluators.devices.device import Device
from evaluators.devices.local import LocalDevice
from evaluators.devices.ssh import SshDevice
from evaluators.engines import engine_names, load_engine
from evaluators.engines.engine import Engine
from evaluators.failures import EvaluationFailure
from evaluators.measurement import MEASURED, PowerSource
from search.absence import (
    absence_notice,
    chosen_processors,
    processor_name,
    untimed_engines,
    why_absent,
)
from search.cautions import cautions
from search.errors import MissingError, UsageError
from search.power_modes import PowerModes, find_power_modes
from search.power_source import NO_POWER, find_power, named_meter
from spaces.connection import connection_from_text
from spaces.errors import suggest
from spaces.schema import Space

_SHARE_OF_MEMORY = 0.75


@dataclass(frozen=True, slots=True)
class Target:
    """Engines on a device.

    Attributes:
        engines: In the space file's order; the baseline runs on the first.
        device: Runs the jobs.
        machine: What is really measured on, for people.
        provenance: Engine -> what its numbers are called.
        power: Where power figures come from.
        notices: What a person must know before and after the run.
        untimed: Engine -> what estimates its latency, for those that nothing is timed of.
        power_modes: What the space's power modes are on the device; None where it has none.
        processors: Engine -> all that its candidates run on, for those that are timed.
    """

    engines: Mapping[str, Engine]
    device: Device
    machine: str
    provenance: Mapping[str, str]
    power: PowerSource
    notices: tuple[str, ...]
    untimed: Mapping[str, str] = field(default_factory=dict)
    power_modes: PowerModes | None = None
    processors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def metered(self) -> tuple[str, ...]:
        """All that candidates run on, which one meter has to measure."""
        return _together(self.processors)


def find_target(space: Space) -> Target:
    """Look for the device and engines of a space file.

    Raises:
        UsageError: If the file names an engine or a meter that doesn't exist.
        MissingError: If an engine or the device isn't there, saying what would add it.
    """
    _check_engine_names(space)
    meter, program = named_meter(space)
    device = _device(space)
    try:
        modes = find_power_modes(space, device)
        found = look_at(device, meter, program)
        return replace(_target(space, device, found, program), power_modes=modes)
    except BaseException:
        device.close()
        raise


def look_at(device: Device, meter: str | None = None, program: Sequence[str] = ()) -> Survey:
    """Look at what a device has and lacks.

    Raises:
        MissingError: If it can't be reached.
    """
    try:
        return device.look(meter, program)
    except EvaluationFailure as failure:
        raise MissingError(failure.reason) from failure


def device_at(connect: str | None, python: str, stage_timeout_s: float) -> Device:
    """Return the device that ``--connect`` names, its memory without a limit.

    Args:
        connect: ``ssh://user@host[:port]`` for a board; None for this machine.
        python: The board's interpreter.
        stage_timeout_s: The longest that one job may take.

    Raises:
        UsageError: If ``connect`` is no address.
    """
    try:
        address = None if connect is None else connection_from_text(connect)
    except ValueError as error:
        raise UsageError(f"--connect {error}, but got {connect!r}.") from error
    limits = Limits(stage_timeout_s, 0)
    if address is None:
        return LocalDevice("this machine", limits)
    return SshDevice(address.host, address, python, limits, limits)


def allow_share_of_memory(device: Device, found: Survey) -> None:
    """Let a job take most of the memory that a device was found to have."""
    share_bytes = int(found.memory_bytes * _SHARE_OF_MEMORY)
    device.restrict(replace(device.limits, memory_bytes=share_bytes))


def child_limits(space: Space) -> Limits:
    """Return what a child may take; memory is a share of the machine's unless the file says."""
    memory_bytes = space.limits.memory_bytes or int(
        psutil.virtual_memory().total * _SHARE_OF_MEMORY
    )
    return Limits(space.limits.stage_timeout_s, memory_bytes)


def _device(space: Space) -> Device:
    here, named = child_limits(space), space.device
    if not named.connect:
        return LocalDevice(named.name, here)
    there = Limits(space.limits.stage_timeout_s, space.limits.memory_bytes or 0)
    is_alone = len(named.connect) == 1
    boards = [
        SshDevice(
            named.name if is_alone else f"{named.name} at {address}",
            address,
            named.python,
            there,
            here,
        )
        for address in named.connect
    ]
    return Boards(named.name, boards)


def _target(space: Space, device: Device, found: Survey, program: tuple[str, ...]) -> Target:
    if space.limits.memory_bytes is None:
        allow_share_of_memory(device, found)
    engines = _find_engines(space, found)
    found = _without_unused(space, engines, found)
    for name, engine in engines.items():
        engine.meet(found.engines[name].accelerator)
    reasons = {name: why_absent(space, engine, found) for name, engine in engines.items()}
    absent = {name: why for name, why in reasons.items() if why is not None}
    untimed = untimed_engines(space, engines, absent)
    where = {name: processor_name(space, engine, found) for name, engine in engines.items()}
    provenance = {
        name: f"measured: on {where[name]} instead of {space.device.name}" if why else MEASURED
        for name, why in reasons.items()
    }
    power, power_notices = NO_POWER
    processors = {
        name: _processors(space, engine, found, is_stand_in=name in absent)
        for name, engine in engines.items()
        if name not in untimed
    }
    if processors:
        power, power_notices = find_power(space, found, program, _together(processors))
    notices = [
        absence_notice(space, name, why, where[name], untimed.get(name))
        for name, why in absent.items()
    ]
    return Target(
        engines,
        device,
        _machine(found, engines),
        provenance,
        power,
        (*notices, *cautions(space, engines, found), *power_notices),
        untimed,
        processors=processors,
    )


def _without_unused(space: Space, engines: Mapping[str, Engine], found: Survey) -> Survey:
    """Return what was found, but for accelerators that a space's flags leave alone."""
    there = dict(found.engines)
    for name, engine in engines.items():
        accelerator = there[name].accelerator
        if engine.processor_flag and accelerator is not None:
            is_used = accelerator["processor"] in chosen_processors(space, engine, found)
            there[name] = there[name]._replace(accelerator=accelerator if is_used else None)
    return found._replace(engines=there)


def _machine(found: Survey, engines: Mapping[str, Engine]) -> str:
    """Return the processor's name, with those of the accelerators that engines run on."""
    there = [found.engines[name].accelerator for name in engines]
    names = [found.environment["cpu_model"], *(each["name"] for each in there if each)]
    return " with ".join(dict.fromkeys(names))


def _processors(
    space: Space, engine: Engine, found: Survey, *, is_stand_in: bool
) -> tuple[str, ...]:
    """Return all that an engine's candidates run on, stand-ins for its accelerator too."""
    if not engine.processor_flag:
        is_absent = is_stand_in and found.engines[engine.name].accelerator is None
        return ("cpu",) if is_absent else (engine.processor,)
    return chosen_processors(space, engine, found)


def _together(processors: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(set().union(*processors.values())))


def _check_engine_names(space: Space) -> None:
    for name in space.device.engines:
        if name not in engine_names():
            problem = space.problem(
                "device.engines", "must be engines", name, suggest(name, engine_names())
            )
            raise UsageError.of([problem])


def _find_engines(space: Space, found: Survey) -> dict[str, Engine]:
    engines: dict[str, Engine] = {}
    missing = []
    for name in space.device.engines:
        engines[name] = load_engine(name)
        missing += _lacks(space, engines[name], found)
    if missing:
        raise MissingError("\n".join(missing))
    return engines


def _lacks(space: Space, engine: Engine, found: Survey) -> list[str]:
    """Say what an engine lacks where it runs, and where it compiles if that is elsewhere."""
    boards = space.device.connect
    there = found.engines[engine.name].missing
    here = engine.missing() if boards and engine.compiles_on_host else None
    compiler = engine.missing_compiler()
    lines = []
    if there is not None and boards and engine.is_from_pip:
        lines.append(
            f"{engine.name} on {boards[0].host} needs the Python package {engine.distribution}. "
            f"Add it there with: {pip_install(engine, space.device.python)}"
        )
    elif there is not None:
        where = f" on {boards[0].host}" if boards else ""
        lines.append(f"{engine.name}{where} needs {there.what}. Add it with: {there.remedy}")
    if here is not None:
        lines.append(f"{engine.name} needs {here.what} on this machine, too: {here.remedy}")
    if compiler is not None:
        where = " on this machine" if boards else ""
        lines.append(f"{engine.name}{where} needs {compiler.what}. Add it with: {compiler.remedy}")
    return lines


def pip_install(engine: Engine, python: str) -> str:
    """Return what adds an engine to a board, where nothing of this program is installed."""
    return f"{python} -m pip install {engine.distribution}"
