"""Read a space file: from its text to a checked `Space`, or to every problem it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from spaces.consistency import consistency_faults
from spaces.document import MAX_CHARACTERS, Document, parse_document
from spaces.errors import Problem, SpaceError, suggest
from spaces.overrides import apply_overrides
from spaces.problems_from_validation import faults_from_validation
from spaces.schema import Space

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_START = "Start from one of the files in spaces/."


def load_space(path: Path, overrides: Sequence[str] = ()) -> Space:
    """Read and check a space file.

    Args:
        path: A YAML file.
        overrides: ``KEY=VALUE`` each, as given to ``--set``: a dotted key, which the file may lack,
            and YAML. Later ones win; an empty VALUE leaves the key out.

    Raises:
        SpaceError: With all problems of the file and the overrides.
    """
    document = _document(path)
    source = apply_overrides(document, overrides, str(path))
    faults = [*consistency_faults(document.data)]
    try:
        space = Space.model_validate(document.data)
    except ValidationError as error:
        faults += faults_from_validation(error)
    problems = [*document.problems, *map(source.problem, faults)]
    if problems:
        raise SpaceError(sorted(problems, key=lambda problem: problem.line or 0))
    return space.located(path, source, document.data, overrides)


def _document(path: Path) -> Document:
    """Return the file as a mapping, perhaps with problems inside."""
    document = parse_document(_read(path), str(path))
    if isinstance(document.data, dict):
        return document
    rule = "must not be empty" if document.data is None else "must be a mapping of keys"
    raise SpaceError(document.problems or [_problem(path, rule, _START)])


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(MAX_CHARACTERS + 1)
    except FileNotFoundError as error:
        names = sorted(other.name for other in path.parent.glob("[!.]*.yaml"))
        remedy = suggest(path.name, names) if names else "Check the path."
        raise SpaceError([_problem(path, "must exist", remedy)]) from error
    except UnicodeDecodeError as error:
        rule = f"must be UTF-8 text (byte {error.start}: {error.reason})"
        raise SpaceError([_problem(path, rule, "Save it as UTF-8.")]) from error
    except OSError as error:
        rule = f"must be readable ({error.strerror})"
        raise SpaceError([_problem(path, rule, "Check the path and its permissions.")]) from error


def _problem(path: Path, rule: str, remedy: str) -> Problem:
    return Problem(str(path), None, "the file", rule, "", remedy)
