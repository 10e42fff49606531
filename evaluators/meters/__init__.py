"""Meters, found by looking into this folder: one file each, which ends in ``METER = ...``."""

from __future__ import annotations

import importlib
import pkgutil
from typing import List, Sequence

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
