"""What is wrong with a space file: a line each, with the place, rule, value and remedy.

A *fault* says what is wrong at a key; a *problem* is a fault that knows its file and line.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""The way to a value: keys, and positions in lists, e.g. ``("device", "engines", 0)``."""

_MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule, at a key; ``shown`` is the offending value as text, or empty."""

    path: KeyPath
    rule: str
    shown: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule, ready to be read.

    Example:
        ``Problem("spaces/coral.yaml", 21, "search.sparsity.max", "must be in [0, 1)", "1.2", "Use
        a fraction, e.g. 0.8.")`` reads ``spaces/coral.yaml:21: search.sparsity.max must be in [0,
        1), but got 1.2. Use a fraction, e.g. 0.8.``
    """

    file: str
    line: int | None
    key: str
    rule: str
    value: str
    remedy: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        but = f", but got {self.value}" if self.value else ""
        return f"{where}: {f'{self.key} {self.rule}'.strip()}{but}. {self.remedy}"


class SpaceError(Exception):
    """A space file can't be used; its text has one line for each of ``problems``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Source:
    """Where each value came from: the lines of a file, or ``--set``."""

    file: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    set_paths: frozenset[KeyPath] = frozenset()

    def problem(self, fault: Fault) -> Problem:
        """Locate a fault: its own line, or that of the nearest key above it."""
        key = ".".join(part for part in fault.path if isinstance(part, str))
        file, line = self._locate(fault.path)
        return Problem(file, line, key, fault.rule, fault.shown, fault.remedy)

    def _locate(self, path: KeyPath) -> tuple[str, int | None]:
        for length in range(len(path), -1, -1):
            if path[:length] in self.set_paths:
                return "--set", None
            if path[:length] in self.lines:
                return self.file, self.lines[path[:length]]
        return self.file, None


def shown(value: object, quote: str = "'") -> str:
    """Return a value as YAML would write it, cut where it is long."""
    text = _flow(value, quote)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def _flow(value: object, quote: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return f"{'-' * (value < 0)}.{str(value).lstrip('-')}"
    if isinstance(value, Mapping):
        items = (f"{key}: {_flow(item, quote)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_flow(item, quote) for item in value)}]"
    if isinstance(value, str):
        return f"{quote}{value}{quote}"
    return "nothing" if value is None else str(value)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` was probably meant to be, or None."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def suggest(word: object, known: Sequence[str]) -> str:
    """Return a remedy for a word that isn't known: the nearest one, or all of them."""
    match = nearest(word, known) if isinstance(word, str) else None
    return f"Did you mean {match}?" if match else f"Use {one_of(known)}."


def one_of(words: Sequence[str]) -> str:
    """Return ``a, b or c``."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
