"""What pydantic found wrong -> faults in the words of this program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from spaces.errors import Fault, KeyPath, one_of, shown, suggest
from spaces.foreign_words import remedy_for_foreign_word
from spaces.schema import Space

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_ANY_KEY = "*"
_RULES = {
    "missing": "must be given",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "model_type": "must be a mapping of keys",
    "mapping_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "greater_than": "must be above {gt:.15g}",
    "greater_than_equal": "must be at least {ge:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
}


def faults_from_validation(error: ValidationError) -> Iterator[Fault]:
    """Yield one fault for each thing pydantic found."""
    for details in error.errors(include_url=False):
        # Of a list whose items are all refused, pydantic also says that it is empty.
        if details["type"] != "too_short" or not details["input"]:
            yield _fault(details["type"], details["loc"], details)


def _fault(kind: str, path: KeyPath, details: Mapping[str, Any]) -> Fault:
    context, value = details.get("ctx", {}), details["input"]
    if kind == "fault":
        fault: Fault = context["fault"]
        return Fault(path, fault.rule, fault.shown, fault.remedy)
    if kind == "extra_forbidden":
        return Fault(path, "is not a key here", "", _unknown_key_remedy(path))
    if kind == "literal_error":
        allowed = _literals(path)
        return Fault(path, f"must be {one_of(allowed)}", shown(value), suggest(value, allowed))
    if kind == "value_error":
        return Fault(path, str(context["error"]), shown(value), _example(path))
    rule = _RULES[kind].format(**context)
    has_value = kind not in {"missing", "too_short", "string_too_short"}
    return Fault(path, rule, shown(value) if has_value else "", _example(path))


def _unknown_key_remedy(path: KeyPath) -> str:
    key = str(path[-1])
    above = _pattern(path[:-1])
    known = [str(field[-1]) for field in _fields() if field[:-1] == above]
    return remedy_for_foreign_word(key) or suggest(key, known)


def _example(path: KeyPath) -> str:
    """Return an example for the field, or for the nearest one above it that has any."""
    pattern = _pattern(path)
    keys = [str(field[-1]) for field in _fields() if field[:-1] == pattern]
    if keys and not (pattern in _fields() and _fields()[pattern].examples):
        return f"Its keys are {', '.join(keys)}."
    while pattern not in _fields():
        pattern = pattern[:-1]
    example = (_fields()[pattern].examples or [""])[0]
    return f"Write e.g. {pattern[-1]}: {shown(example, quote='')}."


def _literals(path: KeyPath) -> tuple[str, ...]:
    """Return the words of a ``Literal``, or of a ``Literal | None``."""
    annotation = _fields()[_pattern(path)].annotation
    unions = [part for part in get_args(annotation) if get_args(part)]
    return tuple(get_args(unions[0] if unions else annotation))


def _pattern(path: KeyPath) -> tuple[str, ...]:
    """Return the path without positions in lists, and with ``*`` for the name of an objective."""
    keys = tuple(part for part in path if isinstance(part, str))
    return (*keys[:1], _ANY_KEY, *keys[2:]) if keys[:1] == ("constraints",) and keys[1:] else keys


@cache
def _fields() -> dict[tuple[str, ...], FieldInfo]:
    return dict(_walk(Space, ()))


def _walk(
    model: type[BaseModel], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        path = (*above, field.alias or name)
        yield path, field
        annotations = [field.annotation, *get_args(field.annotation)]
        for inner in annotations:
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                is_named = get_origin(field.annotation) is Mapping
                yield from _walk(inner, (*path, _ANY_KEY) if is_named else path)
