"""Which files a person's code consists of: a file, and what it imports from its own folder.

Imports are read, not run, so the answer doesn't depend on what a process happens to have imported.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path


def source_digest(path: Path) -> str:
    """Return the SHA-256 of the names and bytes of `source_files`, in hexadecimal."""
    digest = hashlib.sha256()
    for file in source_files(path):
        content = file.read_bytes()
        name = file.relative_to(path.resolve().parent).as_posix()
        digest.update(f"{name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def source_files(path: Path) -> list[Path]:
    """Return ``path`` and every file in its folder and below that it imports, sorted."""
    folder = path.resolve().parent
    found: set[Path] = set()
    waiting = [path.resolve()]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported_from(file, folder)
    return sorted(found)


def _imported_from(file: Path, folder: Path) -> Iterator[Path]:
    for root, parts in _imports(file, folder):
        for length in range(1, len(parts) + 1):
            module = root.joinpath(*parts[:length])
            for candidate in (module.with_name(f"{module.name}.py"), module / "__init__.py"):
                if candidate.is_relative_to(folder) and candidate.is_file():
                    yield candidate


def _imports(file: Path, folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield what a file imports: a folder that a name may be relative to, and the name's parts."""
    roots = _import_roots(folder)
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                for root in roots:
                    yield root, alias.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            starts = [file.parents[node.level - 1]] if node.level else roots
            for alias in node.names:
                for root in starts:
                    yield root, [*module, alias.name]


def _import_roots(folder: Path) -> list[Path]:
    """Return the folder, and those above it that absolute imports start from."""
    on_path = {Path(entry).resolve() for entry in sys.path}
    return [folder, *(parent for parent in folder.parents if parent in on_path)]
