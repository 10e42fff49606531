"""What a stage's recipe says of its tools: their versions, our own code, and the host.

Our own modules are tools with versions too. What they import of ours is followed, so that nobody
has to remember to name it; comments and layout don't count.
"""

from __future__ import annotations

import ast
import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_OURS = ("evaluators", "spaces")


def tool_versions(*distributions: str) -> dict[str, str]:
    """Return the installed version of each distribution, and Python's own."""
    versions = {name: _version(name) for name in distributions}
    return {**versions, "python": ".".join(platform.python_version_tuple()[:2])}


@cache
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


@cache
def code_digest(*modules: str) -> str:
    """Return the SHA-256 of our own modules or packages, and of all of ours that they import."""
    return _digest(files_reached(*modules))


@cache
def worker_digest(module: str) -> str:
    """Return the SHA-256 of one module that calls a stage, without the other stages it imports."""
    return _digest(set(_files_of(module)))


def files_reached(*modules: str) -> set[Path]:
    """Return the files of our own modules or packages, and of all of ours that they import.

    Raises:
        ModuleNotFoundError: If one isn't ours.
    """
    found: set[Path] = set()
    waiting = [file for module in modules for file in _all_files_of(module)]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported_by(file)
    return found


def _digest(files: set[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(f"{file.relative_to(_ROOT).as_posix()}:".encode())
        total.update(ast.dump(ast.parse(file.read_bytes())).encode())
    return total.hexdigest()


def _all_files_of(module: str) -> list[Path]:
    """Return the files of a module, or of a package with everything in it."""
    files = _files_of(module)
    if not files:
        raise ModuleNotFoundError(f"{module} must be a module of this program, but isn't.")
    is_package = files[0].name == "__init__.py"
    return sorted(files[0].parent.rglob("*.py")) if is_package else files


def _files_of(module: str) -> list[Path]:
    place = _ROOT.joinpath(*module.split("."))
    candidates = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return [file for file in candidates if file.is_file()]


def _imported_by(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in _OURS:
                yield from _files_of(name)
