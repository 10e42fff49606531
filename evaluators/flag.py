"""A setting that may vary: an engine's flag or a quantizer's parameter.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple, Union

FlagValue = Union[bool, int, float, str]


class Flag(NamedTuple):
    """One setting that may vary: what it may be, and what it is when nobody asks.

    ``values`` is also what is searched when a space file leaves the flag out. Numbers beyond it are
    allowed down to ``minimum``; words and booleans are only ever one of ``values``. ``precisions``
    are those it matters for, all where it is empty. ``is_hardware`` says which chip is there, which
    isn't searched unless a space file lists several; a search's baseline has the first of those.
    """

    values: Tuple[FlagValue, ...]
    default: FlagValue
    description: str
    minimum: Optional[float] = None
    precisions: Tuple[str, ...] = ()
    is_hardware: bool = False

    def matters_for(self, precision: str) -> bool:
        """Say whether the flag changes anything at a precision; else it isn't searched there."""
        return not self.precisions or precision in self.precisions

    def accepts(self, value: FlagValue) -> bool:
        """Say whether the engine understands ``value`` for this flag."""
        for known in self.values:
            if value == known and isinstance(value, bool) == isinstance(known, bool):
                return True
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and self.minimum is not None and float(value) >= self.minimum
