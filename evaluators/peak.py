"""How fast multiply-accumulates go: an engine's peak at a precision, and any model beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from evaluators.measurement import Quantity, unavailable


@dataclass(frozen=True, slots=True)
class Peak:
    """What one engine reached at one precision, with a net that is nothing but convolutions.

    Attributes:
        macs_per_s: Multiply-accumulates a second; unavailable where that can't be measured.
        flags: What disturbed the measurement, in words; empty where nothing did.
    """

    engine: str
    precision: str
    macs_per_s: Quantity
    flags: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a peak from `to_json`."""
        return cls(**{**data, "macs_per_s": Quantity.from_json(data["macs_per_s"])})


def macs_per_s(macs: int, latency: Quantity, method: str) -> Quantity:
    """Return multiply-accumulates a second, where it comes from as with the latency.

    Args:
        macs: Of one query.
        latency: Seconds of one query.
        method: How it was obtained, in words.
    """
    if latency.value is None:
        return unavailable("1/s", latency.provenance.removeprefix("unavailable: "))
    low, high = (None if end is None else macs / end for end in (latency.high, latency.low))
    return Quantity(macs / latency.value, "1/s", method, latency.provenance, low, high, latency.n)
