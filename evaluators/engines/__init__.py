"""Engines, found by looking into this folder: one file each, which ends in ``ENGINE = ...``."""

from __future__ import annotations

import importlib
import pkgutil
from typing import List

from evaluators.engines.engine import Engine


def engine_names() -> List[str]:
    """Return the engines this version has, sorted, without importing them.

    Folders hold what several engines share, and ``engine`` is the interface.
    """
    files = {module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg}
    return sorted(files - {"engine"})


def load_engine(name: str) -> Engine:
    """Import one engine's file. It needs no runtime for that.

    Raises:
        KeyError: If this version has no such engine.
    """
    if name not in engine_names():
        raise KeyError(name)
    engine = importlib.import_module("evaluators.engines." + name).ENGINE
    if not isinstance(engine, Engine):
        raise TypeError("evaluators/engines/{}.py must end in ENGINE = <an Engine>".format(name))
    return engine
