"""Meters, found by looking into this folder: one file each, which ends in ``METER = ...``."""

from __future__ import annotations

import importlib
import pkgutil
from typing import List, Optional

from evaluators.meters.meter import Meter

_NOT_METERS = frozenset({"meter", "estimate"})


def meter_names() -> List[str]:
    """Return the meters this version has, sorted."""
    return sorted({module.name for module in pkgutil.iter_modules(__path__)} - _NOT_METERS)


def load_meter(name: str) -> Meter:
    """Import one meter's file.

    Raises:
        KeyError: If this version has no such meter.
    """
    if name not in meter_names():
        raise KeyError(name)
    meter = importlib.import_module("evaluators.meters." + name).METER
    if not isinstance(meter, Meter):
        raise TypeError("evaluators/meters/{}.py must end in METER = <a Meter>".format(name))
    return meter


def best_meter(processor: str) -> Optional[Meter]:
    """Return a meter that can be read here and measures ``processor``, or None."""
    for name in meter_names():
        meter = load_meter(name)
        if meter.processor == processor and meter.unavailable_reason() is None:
            return meter
    return None
