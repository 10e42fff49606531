"""Ask -> evaluate -> tell: the study over compression and engine flags, and what is on top.

``search.run``, ``search.export`` and the rest of `search.api` are loaded when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.api import confirm, export, load, run, verify

__all__ = ["confirm", "export", "load", "run", "verify"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from search import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
