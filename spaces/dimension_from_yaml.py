"""What a space file says of one parameter -> its typed form, or every fault in it.

===========================  =====================================================
``{min, max, step?, log?}``  a range, both ends included
``[a, b, c]``                a choice; numbers are ordered, so that they have a distance
``a``                        fixed, and so are ``[a]`` and a range from a to a
===========================  =====================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError, core_schema

from spaces.dimensions import Choice, Dimension, Fixed, Range, is_multiple, is_number
from spaces.errors import Fault, KeyPath, one_of, shown, suggest
from spaces.foreign_words import remedy_for_foreign_word

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

RANGE_KEYS = ("min", "max", "step", "log")

_LARGEST = 2**53  # a study's storage keeps parameters as doubles
_RANGE_REMEDY = "Write {min: 0, max: 10}, with step or log where wanted."
_KINDS = {
    "any": "a word, a number, true or false",
    "number": "a number",
    "integer": "a whole number",
    "word": "a word",
}


@dataclass(frozen=True)
class Limits:
    """Which values a parameter may take; as ``Annotated[Dimension, Limits(...)]`` a field's type.

    Attributes:
        kind: ``number`` is float throughout, even where the file says 0 or 1.
        remedy: What to write where the rule is broken.
    """

    kind: Literal["any", "number", "integer", "word"] = "any"
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    words: tuple[str, ...] = ()
    remedy: str = "Give a word, a number, a list of them, or {min: 0, max: 10}."

    def rule(self) -> str:
        """Return the bounds as a sentence's end: ``must be in [0, 1)``."""
        low = self.at_least if self.above is None else self.above
        high = self.at_most if self.below is None else self.below
        if high is None:
            return f"must be {'at least' if self.above is None else 'above'} {low:g}"
        opening, closing = "[" if self.above is None else "(", "]" if self.below is None else ")"
        return f"must be in {opening}{low or 0:g}, {high:g}{closing}"

    def allows(self, number: float) -> bool:
        """Say whether a number lies within the bounds."""
        return (
            (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.dimension)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.json_schema()

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such a parameter, for editors."""
        return _dimension_json_schema(self)

    def faults(self, raw: object) -> Iterator[Fault]:
        """Yield what is wrong with a parameter, each at its path inside ``raw``."""
        if isinstance(raw, Mapping):
            yield from _range_faults(raw, self)
        elif isinstance(raw, list):
            yield from _choice_faults(raw, self)
        else:
            yield from _value_faults((), raw, self)

    def dimension(self, raw: object) -> Dimension:
        """Return the typed form, for pydantic.

        Raises:
            ValidationError: With every fault of ``raw`` at its own key.
        """
        refuse(self.faults(raw))
        return _dimension(raw, self)


def refuse(faults: Iterable[Fault]) -> None:
    """Raise all ``faults`` as one pydantic error, if there are any.

    Raises:
        ValidationError: Its locations are the paths of the faults.
    """
    details = [
        InitErrorDetails(
            type=PydanticCustomError("fault", "{rule}", {"fault": fault, "rule": fault.rule}),
            loc=fault.path,
            input=None,
        )
        for fault in faults
    ]
    if details:
        raise ValidationError.from_exception_data("space", details)


def _value_faults(path: KeyPath, value: object, limits: Limits) -> Iterator[Fault]:
    if not _is_kind(value, limits.kind):
        rule = f"must be {_KINDS[limits.kind]}"
        yield Fault(path, rule, shown(value), limits.remedy)
    elif limits.words and value not in limits.words:
        rule = f"must be {one_of(limits.words)}"
        yield Fault(path, rule, shown(value), suggest(value, limits.words))
    elif is_number(value):
        if not math.isfinite(value) or abs(value) > _LARGEST:
            rule = "must be a finite number of at most 2**53"
            yield Fault(path, rule, shown(value), limits.remedy)
        elif not limits.allows(value):
            yield Fault(path, limits.rule(), shown(value), limits.remedy)


def _is_kind(value: object, kind: str) -> bool:
    if kind == "word":
        return isinstance(value, str) and value != ""
    if kind == "integer":
        return isinstance(value, int) and is_number(value)
    if kind == "number":
        return is_number(value)
    return isinstance(value, bool | int | float) or (isinstance(value, str) and value != "")


def _choice_faults(raw: list[object], limits: Limits) -> Iterator[Fault]:
    if not raw:
        yield Fault((), "must not be an empty list", "", "Name at least one value.")
    for at, item in enumerate(raw):
        yield from _value_faults((at,), item, limits)
        if any(_sort_of(item) == _sort_of(other) and item == other for other in raw[:at]):
            yield Fault((at,), "must not repeat a value", shown(item), "Keep one of them.")
    if limits.kind == "any" and len({_sort_of(item) for item in raw}) > 1:
        rule = "must hold only words, only numbers or only booleans"
        remedy = "Quote a number or on/off/yes/no to make it a word."
        yield Fault((), rule, shown(raw), remedy)


def _sort_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if is_number(value) else type(value).__name__


def _range_faults(raw: Mapping[str, object], limits: Limits) -> Iterator[Fault]:
    if limits.kind == "word":
        yield Fault((), "must be a word or a list of words", shown(raw), limits.remedy)
        return
    unknown = [key for key in raw if key not in RANGE_KEYS]
    for key in unknown:
        remedy = remedy_for_foreign_word(key, range_only=True) or suggest(key, RANGE_KEYS)
        yield Fault((key,), "is not a key of a range", "", remedy)
    missing = [key for key in ("min", "max") if raw.get(key) is None]
    if missing and not unknown:
        yield Fault((), f"must have {' and '.join(missing)}", shown(raw), _RANGE_REMEDY)
    faults = [*_end_faults(raw, limits)]
    yield from faults
    if not (unknown or missing or faults):
        yield from _shape_faults(raw)


def _end_faults(raw: Mapping[str, Any], limits: Limits) -> Iterator[Fault]:
    numeric = replace(limits, kind="number") if limits.kind == "any" else limits
    for key in ("min", "max"):
        if raw.get(key) is not None:
            yield from _value_faults((key,), raw[key], numeric)
    step = raw.get("step")
    if step is not None:
        positive = Limits(numeric.kind, above=0, remedy="Leave step out for no grid.")
        yield from _value_faults(("step",), step, positive)
    if not isinstance(raw.get("log") or False, bool):
        remedy = "Leave log out for an even scale."
        yield Fault(("log",), "must be true or false", shown(raw["log"]), remedy)


def _shape_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    low, high, step = raw["min"], raw["max"], raw.get("step")
    if low > high:
        yield Fault(("max",), f"must be at least min ({low})", shown(high), "Swap the two.")
        return
    if raw.get("log") and low <= 0:
        remedy = "Raise min above 0, or leave log out."
        yield Fault(("min",), "must be above 0 on a log scale", shown(low), remedy)
    if raw.get("log") and step is not None:
        remedy = "Leave one of them out, or list the values."
        yield Fault(("step",), "must be left out on a log scale", shown(step), remedy)
    elif step is not None and not is_multiple(high - low, step):
        reached = low + math.floor((high - low) / step) * step
        remedy = f"Use max: {round(reached, 12)}, or another step."
        if reached == low:
            remedy = "Use a smaller step."
        rule = f"must divide max - min ({round(high - low, 12)}), so that max is reached"
        yield Fault(("step",), rule, shown(step), remedy)


def _dimension(raw: Any, limits: Limits) -> Dimension:
    if isinstance(raw, Mapping):
        return _range(raw, limits)
    values = raw if isinstance(raw, list) else [raw]
    has_floats = limits.kind == "number" or any(isinstance(value, float) for value in values)
    options = tuple(map(float, values)) if has_floats else tuple(values)
    if len(options) == 1:
        return Fixed(options[0])
    if all(is_number(option) for option in options):
        return Choice(tuple(sorted(cast("tuple[float, ...]", options))), is_ordered=True)
    return Choice(options)


def _range(raw: Mapping[str, Any], limits: Limits) -> Dimension:
    low, high, step = raw["min"], raw["max"], raw.get("step")
    is_integer = limits.kind != "number" and all(
        isinstance(end, int | None) for end in (low, high, step)
    )
    if not is_integer:
        low, high, step = float(low), float(high), step and float(step)
    if low == high:
        return Fixed(low)
    return Range(low, high, step, bool(raw.get("log")), is_integer)


def _dimension_json_schema(limits: Limits) -> dict[str, Any]:
    bounds = {
        "minimum": limits.at_least,
        "exclusiveMinimum": limits.above,
        "maximum": limits.at_most,
        "exclusiveMaximum": limits.below,
    }
    bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    number: dict[str, Any] = {
        "type": "integer" if limits.kind == "integer" else "number",
        **bounds,
    }
    word = {"enum": list(limits.words)} if limits.words else {"type": "string", "minLength": 1}
    scalar = {
        "any": {"type": ["string", "number", "boolean"]},
        "word": word,
    }.get(limits.kind, number)
    choice = {"type": "array", "items": scalar, "minItems": 1, "uniqueItems": True}
    if limits.kind == "word":
        return {"anyOf": [scalar, choice]}
    return {"anyOf": [scalar, choice, _range_json_schema(number)]}


def _range_json_schema(number: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "min": number,
            "max": number,
            "step": {"type": number["type"], "exclusiveMinimum": 0},
            "log": {"type": "boolean"},
        },
        "required": ["min", "max"],
        "additionalProperties": False,
    }
