"""The typed form of one parameter: fixed, a range, or a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

Value = bool | int | float | str

_GRID_TOLERANCE = 1e-6  # of a step: 0.35 is on the grid 0, 0.05, ... although 0.35 / 0.05 < 7


@dataclass(frozen=True, slots=True)
class Fixed:
    """A parameter with one value, which isn't searched."""

    value: Value

    def contains(self, value: Value) -> bool:
        """Say whether ``value`` is the fixed one."""
        return _is_same(self.value, value)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``min`` to ``max``, both included; ``step`` divides the distance between them.

    Attributes:
        step: None for a continuous range, and for whole numbers in steps of 1.
        log: Sampled evenly on a logarithmic scale; never together with a step.
        is_integer: Only whole numbers; then ``min``, ``max`` and ``step`` are int.
    """

    min: float
    max: float
    step: float | None = None
    log: bool = False
    is_integer: bool = False

    def contains(self, value: Value) -> bool:
        """Say whether ``value`` is a number of the range, and on its grid."""
        if not is_number(value) or not self.min <= value <= self.max:
            return False
        if self.is_integer and value != int(value):
            return False
        return self.step is None or is_multiple(value - self.min, self.step)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values; ``is_ordered`` where they are numbers, which then ascend."""

    options: tuple[Value, ...]
    is_ordered: bool = False

    def contains(self, value: Value) -> bool:
        """Say whether ``value`` is one of the options."""
        return any(_is_same(option, value) for option in self.options)


Dimension = Fixed | Range | Choice


def is_multiple(distance: float, step: float) -> bool:
    """Say whether ``distance`` is a whole number of steps, but for the rounding of floats."""
    count = distance / step
    return abs(count - round(count)) < _GRID_TOLERANCE


def is_number(value: object) -> TypeGuard[int | float]:
    """Say whether ``value`` is a number; a boolean isn't."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_same(one: Value, other: Value) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
