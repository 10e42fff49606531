"""One entry of the store: a folder of files, and what says that none of them has changed.

::

    <key>/
        entry.json    recipe, SHA-256 of every file, facts or a refusal, and a SHA-256 of all that
        ...           the files

Whoever reads an entry holds a shared lock on its entry.json as long as the `Entry` lives; whoever
removes one needs the exclusive lock. The kernel lets go of it however a process ends, so a file
that is being measured can't vanish, and no clock has to guess for how long.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENTRY_FILE = "entry.json"
_CHECKSUM = "sha256"


class Hold:
    """A lock on an entry.json, held until this object is gone."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __del__(self) -> None:
        os.close(self._fd)

    def mark_used(self) -> None:
        """Record that the entry was used now: its entry.json's time, content untouched."""
        os.utime(self._fd)

    def last_used_ns(self) -> int:
        """Return when the entry was used last."""
        return os.fstat(self._fd).st_mtime_ns

    def is_of(self, place: Path) -> bool:
        """Say whether this very entry is still in its place."""
        return os.path.samestat(os.fstat(self._fd), os.lstat(place / ENTRY_FILE))


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished stage.

    Attributes:
        key: SHA-256 of the recipe.
        path: The folder with the files.
        digest: SHA-256 over names and contents of the files: what the next stage's recipe names.
        facts: What the stage reported, plain data.
        files: File name -> SHA-256.
        seconds: How long it took to build.
        was_found: True where nothing had to be built.
        refusal: Why there are no files, where a tool refused; None otherwise.
        hold: Keeps the files from being evicted while this object lives.
    """

    key: str
    path: Path
    digest: str
    facts: dict[str, Any]
    files: dict[str, str]
    seconds: float
    was_found: bool
    refusal: str | None = None
    hold: Hold | None = field(default=None, repr=False, compare=False)


def key_of(recipe: Mapping[str, Any]) -> str:
    """Return the key of a recipe, its SHA-256 in hexadecimal."""
    return _sha256(json.dumps(recipe, sort_keys=True))


def digest_of(files: Mapping[str, str]) -> str:
    """Return the SHA-256 over names and contents of files, given as name -> SHA-256."""
    return _sha256(json.dumps(files, sort_keys=True))


def write_entry(
    folder: Path,
    recipe: Mapping[str, Any],
    facts: Mapping[str, Any],
    seconds: float,
    refusal: str | None,
) -> tuple[dict[str, Any], Hold]:
    """Write the entry.json of a folder that is complete but for it, and hold the entry."""
    content: dict[str, Any] = {
        "recipe": recipe,
        "facts": facts,
        "files": {path.name: _file_sha256(path) for path in sorted(folder.iterdir())},
        "seconds": seconds,
        "refusal": refusal,
    }
    (folder / ENTRY_FILE).write_text(_document(content), encoding="utf-8")
    hold = shared_hold(folder)
    assert hold is not None
    return content, hold


def read_entry(place: Path) -> Entry | None:
    """Return the entry in a folder, or None where there is none or any byte of it has changed.

    It counts as used now.
    """
    try:
        names = _plain_files(place)
        hold = shared_hold(place)
        content = read_content(place)
        files = dict(content["files"])
        is_intact = (
            hold is not None
            and key_of(content["recipe"]) == place.name
            and names == {*files, ENTRY_FILE}
            and all(_file_sha256(place / name) == sha for name, sha in files.items())
        )
        facts, seconds, refusal = content["facts"], content["seconds"], content["refusal"]
        if hold is None or not is_intact:
            return None
        hold.mark_used()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Entry(place.name, place, digest_of(files), facts, files, seconds, True, refusal, hold)


def read_content(place: Path) -> dict[str, Any]:
    """Return what an entry.json says; its files aren't looked at.

    Raises:
        OSError: If it can't be read.
        ValueError: If any byte of it has changed.
    """
    text = (place / ENTRY_FILE).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    if not isinstance(content, dict) or content.pop(_CHECKSUM, None) is None:
        raise ValueError(f"{place} has no checksum.")
    if text != _document(content):  # written anew, so that not even a blank may differ
        raise ValueError(f"{place} has changed.")
    return content


def shared_hold(place: Path) -> Hold | None:
    """Return a lock that keeps an entry in its place, or None where it has just been removed."""
    hold = _locked(place, fcntl.LOCK_SH)
    return hold if hold is not None and hold.is_of(place) else None


def exclusive_hold(place: Path) -> Hold | None:
    """Return the lock that allows to remove an entry, or None while any process holds it."""
    return _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _locked(place: Path, operation: int) -> Hold | None:
    fd = os.open(place / ENTRY_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    hold = Hold(fd)
    try:
        fcntl.flock(fd, operation)
    except BlockingIOError:
        return None
    return hold


def _plain_files(place: Path) -> set[str]:
    """Return the names in a folder that has to be one itself, and to hold nothing but files.

    Raises:
        OSError: If there is no such folder.
        ValueError: If a link or a folder took something's place.
    """
    if place.is_symlink():
        raise ValueError(f"{place} is a link.")
    with os.scandir(place) as found:
        plain = {item.name: item.is_file(follow_symlinks=False) for item in found}
    if not all(plain.values()):
        raise ValueError(f"{place} holds more than files.")
    return set(plain)


def _document(content: Mapping[str, Any]) -> str:
    return json.dumps({**content, _CHECKSUM: _sha256(json.dumps(content))})


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
