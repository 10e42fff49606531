"""Meters, found by looking into this folder: one file each, which ends in ``METER = ...``."""

from __future__ import annotations

import importlib
import pkgutil
from typing import List, Optional, Sequence

from evaluators.meters.meter import Meter

_NOT_METERS = frozenset({"meter", "estimate", "sampled", "sysfs"})


def meter_names() -> List[str]:
    """Return the meters this version has, sorted."""
    return sorted({module.name for module in pkgutil.iter_modules(__path__)} - _NOT_METERS)


def load_meter(name: str, program: Sequence[str] = ()) -> Meter:
    """Import one meter's file.

    Args:
        name: A meter, or ``METER:PART`` for one of several sources that it finds.
        program: What the meter ``command`` runs; empty for every other.

    Raises:
        KeyError: If this version has no such meter.
    """
    name, _, part = name.partition(":")
    if name not in meter_names():
        raise KeyError(name)
    module = importlib.import_module("evaluators.meters." + name)
    meter = module.CommandMeter(program) if program else module.METER
    if not isinstance(meter, Meter):
        raise TypeError("evaluators/meters/{}.py must end in METER = <a Meter>".format(name))
    return meter.part(part) if part else meter


def best_meter(processor: str) -> Optional[Meter]:
    """Return the best meter that can be read here and measures ``processor``, or None."""
    return _best([part for name in meter_names() for part in load_meter(name).parts()], processor)


def best_part(meter: Meter, processor: str) -> Optional[Meter]:
    """Return the best of a meter's parts, by the same rule."""
    return _best(meter.parts(), processor)


def _best(meters: Sequence[Meter], processor: str) -> Optional[Meter]:
    """Choose; of two that are equally exact, the one that measures less else is better."""
    return min(
        (meter for meter in meters if _serves(meter, processor)),
        key=lambda meter: (meter.preference, len(meter.processors), meter.name),
        default=None,
    )


def _serves(meter: Meter, processor: str) -> bool:
    is_choosable = meter.preference is not None and processor in meter.processors
    return is_choosable and meter.unavailable_reason() is None
