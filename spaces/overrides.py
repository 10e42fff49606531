"""``--set KEY=VALUE``: values given on the command line instead of in the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spaces.document import Document, parse_document
from spaces.errors import KeyPath, Problem, Source, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FLAG = "--set"


def apply_overrides(document: Document, overrides: Sequence[str], file: str) -> Source:
    """Change the values of ``document``, and add the problems of doing so to it.

    Args:
        document: A mapping, changed in place.
        overrides: ``KEY=VALUE`` each. An empty VALUE leaves the key out.
        file: Name of the file the document came from.

    Returns:
        Where each value now comes from.
    """
    source = Source(file, document.lines)
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")):
            remedy = f"Write e.g. {_FLAG} budget.trials=10."
            document.problems.append(_problem("", "must be KEY=VALUE", shown(text), remedy))
            continue
        parsed = parse_document(value, _FLAG)
        document.problems += [replace(problem, line=None, key=key) for problem in parsed.problems]
        assigned = None if parsed.problems else _assign(document, key, parsed.data)
        if isinstance(assigned, Problem):
            document.problems.append(assigned)
        elif assigned:
            source = _with_override(source, assigned)
    return source


def _assign(document: Document, key: str, value: object) -> KeyPath | Problem:
    """Put ``value`` where ``key`` leads; return the first key that is new, or why it can't be."""
    mapping, rest = document.data, key.split(".")
    path: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    while isinstance(mapping, dict):
        name, rest = _next_key(mapping, rest)
        path = (*path, name)
        if not rest:
            mapping[name] = value
            if value is None:
                del mapping[name]
            return new or path
        if mapping.get(name) is None:
            mapping[name] = {}
            new = new or path
        mapping = mapping[name]
    above = ".".join(path)
    remedy = f"Set it whole: {_FLAG} '{above}={{{rest[0]}: ...}}'."
    return _problem(above, "must be a mapping of keys", shown(mapping), remedy)


def _next_key(mapping: Mapping[str, object], rest: list[str]) -> tuple[str, list[str]]:
    """Split off one key; as it may have dots itself, the longest one that is there is meant."""
    lengths = range(len(rest), 0, -1)
    length = next((length for length in lengths if ".".join(rest[:length]) in mapping), 1)
    return ".".join(rest[:length]), rest[length:]


def _with_override(source: Source, path: KeyPath) -> Source:
    lines = {key: line for key, line in source.lines.items() if key[: len(path)] != path}
    return replace(source, lines=lines, set_paths=source.set_paths | {path})


def _problem(key: str, rule: str, value: str, remedy: str) -> Problem:
    return Problem(_FLAG, None, key, rule, value, remedy)
