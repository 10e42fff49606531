"""Ask -> evaluate -> tell: the study over compression and engine flags, and what is on top.

``search.run``, ``search.load`` and the rest of `search.api` are loaded when they are asked for.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.api import (
        Comparison,
        DeviceSurvey,
        Results,
        RunError,
        SpaceError,
        compare,
        devices,
        load,
        run,
        validate,
        verify,
    )

__all__ = [
    "Comparison",
    "DeviceSurvey",
    "Results",
    "RunError",
    "SpaceError",
    "compare",
    "devices",
    "load",
    "run",
    "validate",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        with warnings.catch_warnings():
            # Optuna's progress bars want ipywidgets in a notebook. None of them is ever shown.
            warnings.filterwarnings("ignore", message="IProgress not found")
            from search import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
