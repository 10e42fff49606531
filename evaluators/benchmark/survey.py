"""What a device has and lacks: itself, its engines and its meters, as plain data."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from evaluators.benchmark.environment import boot_id, machine_fingerprint, read_environment
from evaluators.engines import engine_names, load_engine
from evaluators.engines.engine import Engine, Missing
from evaluators.meters import load_meter, meter_names
from evaluators.meters.meter import Meter


class EngineFound(NamedTuple):
    """One engine on a device.

    Attributes:
        version: Of its distribution there; None where it isn't known.
        missing: What keeps it from running there, or None.
        compiler_reason: Why it can't compile there, or None; see `Engine.compiler_reason`.
        stand_in_reason: Why it can only be measured on a stand-in there, or None.
        accelerator: What runs it there, or None where a CPU does; see `Engine.accelerator`.
        distribution: Which brings the runtime there; None where nothing does.
    """

    version: Optional[str]
    missing: Optional[Missing]
    compiler_reason: Optional[str]
    stand_in_reason: Optional[str]
    accelerator: Optional[Dict[str, Any]] = None
    distribution: Optional[str] = None


class MeterFound(NamedTuple):
    """One meter on a device; the fields are those of `evaluators.meters.meter.Meter`."""

    name: str
    processors: Tuple[str, ...]
    domains: Tuple[str, ...]
    preference: Optional[int]
    unavailable_reason: Optional[str]


class Survey(NamedTuple):
    """What was found.

    Attributes:
        environment: See `evaluators.benchmark.environment.read_environment`.
        memory_bytes: All of the device's memory.
        fingerprint: A hash of what compiled artifacts depend on.
        engines: By name.
        meters: What can be chosen: the parts of the meter that was asked for, or of all meters.
        named: The meter that was asked for, as a whole; None where none was.
        boot_id: Which machine it is; see `evaluators.benchmark.environment.boot_id`.
    """

    environment: Dict[str, Any]
    memory_bytes: int
    fingerprint: str
    engines: Dict[str, EngineFound]
    meters: List[MeterFound]
    named: Optional[MeterFound]
    boot_id: str


def survey_here(meter: Optional[str] = None, program: Sequence[str] = ()) -> Survey:
    """Look around on this machine.

    Args:
        meter: The only meter to look at; None looks at all.
        program: What the meter ``command`` runs.

    Raises:
        KeyError: If this version has no such meter.
    """
    names = meter_names() if meter is None else [meter]
    meters = [load_meter(name, program) for name in names]
    return Survey(
        read_environment(),
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        machine_fingerprint(),
        {name: _engine_found(load_engine(name)) for name in engine_names()},
        [meter_found(part) for each in meters for part in each.parts()],
        None if meter is None else meter_found(meters[0]),
        boot_id(),
    )


def survey_from_json(data: Dict[str, Any]) -> Survey:
    """Rebuild a survey that another machine sent as JSON; its fingerprint then holds versions too.

    A board has its own versions of the engines, and what they compile depends on them.
    """
    engines = {name: _engine_from_json(fields) for name, fields in data["engines"].items()}
    versions = {name: (found.distribution, found.version) for name, found in engines.items()}
    facts = [data["fingerprint"], data["environment"]["python"], versions]
    named = data["named"]
    return Survey(
        data["environment"],
        data["memory_bytes"],
        hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest(),
        engines,
        [_meter_from_json(fields) for fields in data["meters"]],
        None if named is None else _meter_from_json(named),
        data["boot_id"],
    )


def best_meter(meters: Sequence[MeterFound], *processors: str) -> Optional[MeterFound]:
    """Return the best meter that can be read and measures every processor, or None.

    Of two that are equally exact, the one that measures less else is better.
    """
    fit = [meter for meter in meters if _serves(meter, processors)]
    return min(fit, key=lambda m: (m.preference, len(m.processors), m.name), default=None)


def meter_found(meter: Meter) -> MeterFound:
    """Look at one meter."""
    return MeterFound(
        meter.name,
        tuple(meter.processors),
        tuple(meter.domains()),
        meter.preference,
        meter.unavailable_reason(),
    )


def _serves(meter: MeterFound, processors: Sequence[str]) -> bool:
    is_choosable = meter.preference is not None and set(processors) <= set(meter.processors)
    return is_choosable and meter.unavailable_reason is None


def _engine_found(engine: Engine) -> EngineFound:
    lacks = engine.missing()
    if lacks is not None:
        return EngineFound(None, lacks, None, None)
    reasons = engine.compiler_reason(), engine.stand_in_reason()
    distribution = engine.installed_distribution()
    return EngineFound(engine.version(), None, *reasons, engine.accelerator(), distribution)


def _engine_from_json(fields: List[Any]) -> EngineFound:
    version, lacks, *rest = fields
    return EngineFound(version, None if lacks is None else Missing(*lacks), *rest)


def _meter_from_json(fields: List[Any]) -> MeterFound:
    name, processors, domains, preference, reason = fields
    return MeterFound(name, tuple(processors), tuple(domains), preference, reason)
