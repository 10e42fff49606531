"""What an engine does badly on the device at hand, and which line of the space file helps."""

from __future__ import annotations

from collections.abc import Mapping

from evaluators.benchmark.survey import Survey
from evaluators.engines.engine import Engine
from evaluators.quantize import settings_of
from search.absence import place
from spaces.dimensions import Dimension, Fixed
from spaces.schema import Space

_WEIGHT_BITS = "weight_bits"


def cautions(space: Space, engines: Mapping[str, Engine], found: Survey) -> list[str]:
    """Return a line for each engine whose int8 overflows on this processor.

    Args:
        space: Which says what is searched.
        engines: By name.
        found: What the device has.
    """
    if found.environment["vnni"] is not False:
        return []
    bits: Dimension = space.search.quantization.get(_WEIGHT_BITS, Fixed(8))
    return [
        f"{name}: sums of int8 overflow on {place(space)} CPU, which has no VNNI, and that costs "
        "accuracy. Smaller weights don't: add `quantization: {weight_bits: [8, 7]}` to search."
        for name, engine in engines.items()
        if _quantizes_weights(space, engine) and not bits.contains(7)
    ]


def _quantizes_weights(space: Space, engine: Engine) -> bool:
    asked = space.search.precision or engine.forms
    return any(
        _WEIGHT_BITS in settings_of(form)
        for precision, form in engine.forms.items()
        if precision in asked
    )
