"""YAML text as plain values, with the line of each.

Not PyYAML's own loader: that one drops the lines, lets a repeated key win silently, reads ``1e-3``
as a word and ``1:30`` as 90, builds objects for tags, and expands aliases without a limit. Plain
words are read as in YAML 1.2, but for yes, no, on and off, which stay booleans.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from spaces.errors import Fault, KeyPath, Problem, Source

MAX_CHARACTERS = 65_536  # the pure-Python scanner takes about a second for this much
_MAX_DEPTH = 20
_MAX_VALUES = 10_000
_TAG = "tag:yaml.org,2002:"
_EXACT_DIGITS = 19  # beyond 64 bits a whole number is of no use here, and slow to read
_SYNTAX_REMEDY = "Check the indentation, colons, brackets and quotes there."

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile("|".join(f"{word}|{word.title()}|{word.upper()}" for word in _WORDS))
_INTEGER = re.compile(r"[-+]?\d+")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Composer(yaml.SafeLoader):
    """PyYAML's scanner, parser and composer; its constructor, which could build objects, rests."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, and stop where recursion would become deep."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            mark = parent.start_mark if parent else None
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Composer.yaml_implicit_resolvers = {}
_Composer.add_implicit_resolver(f"{_TAG}null", re.compile(rf"(?:{_NULL.pattern})$"), None)
for _kind, _pattern in (("bool", _BOOLEAN), ("int", _INTEGER), ("float", _FLOAT)):
    _Composer.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern.pattern})$"), None)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _EXACT_DIGITS else float(text)


_Convert = Callable[[str], object]
_SCALARS: dict[str, tuple[re.Pattern[str], _Convert]] = {
    f"{_TAG}null": (_NULL, lambda _: None),
    f"{_TAG}bool": (_BOOLEAN, lambda text: _WORDS[text.lower()]),
    f"{_TAG}int": (_INTEGER, _integer),
    f"{_TAG}float": (_FLOAT, lambda text: float(re.sub(r"\.(?=[inIN])", "", text))),
    f"{_TAG}str": (re.compile(r".*", re.DOTALL), str),
}


@dataclass
class Document:
    """What a YAML text says, and where it says so."""

    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse_document(text: str, file: str) -> Document:
    """Read YAML; what is wrong with it is in ``problems`` and never raised.

    Args:
        text: One YAML document.
        file: Its name in problems.
    """
    if len(text) > MAX_CHARACTERS:
        rule = f"must be at most {MAX_CHARACTERS} characters long"
        return _unreadable(file, None, rule, "Is it a space file?")
    try:
        root = _Composer(text).get_single_node()
        walk = _Walk(file)
        return Document(walk.value(root, ()) if root else None, walk.lines, walk.problems)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        rule = f"must be text, but has the character #x{error.character:04x}"
        return _unreadable(file, line, rule, "Save it as UTF-8 text.")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        column = f"column {mark.column + 1}: " if mark else ""
        what = ": ".join(part for part in (error.context, error.problem) if part)
        rule = f"must be valid YAML ({column}{what})"
        return _unreadable(file, mark.line + 1 if mark else None, rule, _SYNTAX_REMEDY)


def _unreadable(file: str, line: int | None, rule: str, remedy: str) -> Document:
    return Document(None, problems=[Problem(file, line, "the file", rule, "", remedy)])


class _Walk:
    """Turns nodes into plain values; notes the line of each, and what must not be there."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._count = 0

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._count += 1
        if self._count > _MAX_VALUES or len(path) > _MAX_DEPTH:
            problem = f"over {_MAX_VALUES} values or {_MAX_DEPTH} levels, aliases expanded"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, path, "seq")
            return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
        self._check_tag(node, path, "map")
        return self._mapping(node, path)

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, item in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(path, line, "must have only words for keys", "Write key: value.")
                continue
            # The text itself: a flag called `on` or a layer called `1` is a name, not a value.
            key = key_node.value
            inner = (*path, key)
            if key in result:
                first = self.lines[inner]
                self._note(inner, line, f"is already given on line {first}", "Keep one of them.")
                continue
            self.lines[inner] = line
            result[key] = self.value(item, inner)
        return result

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        pattern, convert = _SCALARS.get(node.tag, (None, str))
        if pattern is None or not pattern.fullmatch(node.value):
            self._refuse_tag(node, path)
            return node.value
        return convert(node.value)

    def _check_tag(self, node: yaml.Node, path: KeyPath, kind: str) -> None:
        if node.tag != _TAG + kind:
            self._refuse_tag(node, path)

    def _refuse_tag(self, node: yaml.Node, path: KeyPath) -> None:
        tag = node.tag.replace(_TAG, "!!")
        rule = f"must be a plain value, not one with the tag {tag}"
        self._note(path, node.start_mark.line + 1, rule, "Leave the tag out.")

    def _note(self, path: KeyPath, line: int, rule: str, remedy: str) -> None:
        source = Source(self.file, {path: line})
        self.problems.append(source.problem(Fault(path, rule, "", remedy)))
