"""What a space file's device really is here: engines, power source, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from evaluators.benchmark.environment import cpu_model
from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.engines import engine_names, load_engine
from evaluators.engines.engine import Engine
from evaluators.measurement import PowerSource
from evaluators.meters import best_meter, best_part, load_meter, meter_names
from evaluators.meters.meter import Meter
from search.errors import MissingError, UsageError
from spaces.errors import suggest
from spaces.field_types import MeterCommand
from spaces.schema import Space

MEASURED = "measured"
_SHARE_OF_MEMORY = 0.75
NOT_YET = {
    "tensorrt": "TensorRT (Jetson and other NVIDIA GPUs)",
    "ethosu": "Arm Ethos-U (through Vela)",
}
"""Engines that space files may already name, which this version doesn't have."""


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
    """

    engines: Mapping[str, Engine]
    device: LocalDevice
    machine: str
    provenance: Mapping[str, str]
    power: PowerSource
    notices: tuple[str, ...]


def find_target(space: Space) -> Target:
    """Look for the device and engines of a space file.

    Raises:
        UsageError: If the file names an engine or a meter that doesn't exist.
        MissingError: If an engine or the device isn't here, saying what would add it.
    """
    _refuse_remote(space)
    engines = _find_engines(space)
    machine = cpu_model()
    reasons = {name: _stand_in_reason(space, engine) for name, engine in engines.items()}
    stand_in = f"measured: on this machine's CPU ({machine}) instead of {space.device.name}"
    provenance = {name: stand_in if why else MEASURED for name, why in reasons.items()}
    first = next(iter(engines))  # a stand-in runs on the CPU, whatever the engine is made for
    power, power_notices = _find_power(space, "cpu" if reasons[first] else engines[first].processor)
    notices = [
        f"{name}: {why}. The same model is measured on this machine's CPU ({machine}) instead of "
        f"{space.device.name}: a stand-in, marked * wherever it is shown."
        for name, why in reasons.items()
        if why
    ]
    return Target(
        engines,
        LocalDevice(space.device.name, child_limits(space)),
        machine,
        provenance,
        power,
        (*notices, *power_notices),
    )


def child_limits(space: Space) -> Limits:
    """Return what a child may take; memory is a share of the machine's unless the file says."""
    memory_bytes = space.limits.memory_bytes or int(
        psutil.virtual_memory().total * _SHARE_OF_MEMORY
    )
    return Limits(space.limits.stage_timeout_s, memory_bytes)


def _refuse_remote(space: Space) -> None:
    if space.device.connect is not None:
        raise MissingError(
            f"device.connect: this version measures on this machine only, not on "
            f"{space.device.connect.host}. Run it on the device itself with connect: local."
        )


def _find_engines(space: Space) -> dict[str, Engine]:
    found: dict[str, Engine] = {}
    missing = []
    for name in space.device.engines:
        if name in engine_names():
            found[name] = load_engine(name)
            lacks = found[name].missing()
            if lacks is not None:
                missing.append(f"{name} needs {lacks.what}. Add it with: {lacks.remedy}")
        elif name in NOT_YET:
            have = ", ".join(engine_names())
            missing.append(
                f"{name}: this version has no engine for {NOT_YET[name]}. It has {have}."
            )
        else:
            problem = space.problem(
                "device.engines", "must be engines", name, suggest(name, engine_names())
            )
            raise UsageError.of([problem])
    if missing:
        raise MissingError("\n".join(missing))
    return found


def _stand_in_reason(space: Space, engine: Engine) -> str | None:
    """Return why the device's numbers come from this machine's CPU, or None where they don't."""
    wanted = space.device.cpu_model
    why = engine.stand_in_reason()
    if why is None and wanted is not None and wanted.lower() not in cpu_model().lower():
        why = f"this machine's CPU is {cpu_model()}, and {space.device.name} has one of {wanted}"
    if why is not None and space.device.if_absent == "fail":
        raise MissingError(
            f"{space.device.name} isn't here: {why}. Attach it, or set device.if_absent: host-cpu "
            "to measure on this machine's CPU, marked as a stand-in."
        )
    return why


def _find_power(space: Space, processor: str) -> tuple[PowerSource, list[str]]:
    name, program = _named_meter(space)
    meter = best_meter(processor) if name is None else _load_named(space, name, program, processor)
    rated = space.device.rated_power_w
    if meter is not None:
        return PowerSource(meter.name, rated, program), []
    if rated is None:
        return PowerSource(None, None), []
    notice = (
        "No power meter here: power and energy are estimates, the share of CPU time x the rated "
        f"power of {rated:g} W, marked ~ wherever they are shown. `python -m search devices` says "
        "why each meter can't be read."
    )
    return PowerSource(None, rated), [notice]


def _named_meter(space: Space) -> tuple[str | None, tuple[str, ...]]:
    """Return the meter that the space file names, and the program where it is one."""
    choice = space.device.meter
    return ("command", choice.command) if isinstance(choice, MeterCommand) else (choice, ())


def _load_named(space: Space, name: str, program: tuple[str, ...], processor: str) -> Meter:
    try:
        meter = load_meter(name, program)
    except KeyError:
        problem = space.problem(
            "device.meter", "must be a meter", name, suggest(name, meter_names())
        )
        raise UsageError.of([problem]) from None
    if meter.parts() != [meter]:  # it stands for several sources: the best of them
        meter = best_part(meter, processor) or meter
    reason = meter.unavailable_reason()
    if reason is not None:
        raise MissingError(f"device.meter {name}: {reason}. Leave it out to take the best found.")
    return meter
