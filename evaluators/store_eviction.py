"""What lies in the store, what of it is to stay, and removing the rest, least recently used first.

::

    <root>/
        limit             bytes, where a person has set them
        pins/<hash>.json  a run's folder, and the keys of the entries that its front needs

A pin holds as long as its run's folder is there: deleting the run releases it. What a living
process uses is locked (see `evaluators.store_entry`) and passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluators.store_entry import ENTRY_FILE, exclusive_hold

PARTIAL, PINS = "partial", "pins"
LARGEST_DEFAULT_LIMIT_BYTES = 20 * 2**30
_LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as the disk shows it, unread.

    Attributes:
        last_used_ns: 0 where it has no entry.json.
    """

    stage: str
    place: Path
    size_bytes: int
    last_used_ns: int


def stored_entries(root: Path) -> Iterator[StoredEntry]:
    """Yield every entry of a store, in no order."""
    for stage in _folders(root):
        if stage.name not in (PARTIAL, PINS):
            for prefix in _folders(Path(stage)):
                for place in _folders(Path(prefix)):
                    yield _stored(stage.name, Path(place))


def evict(root: Path, limit_bytes: int) -> list[StoredEntry]:
    """Remove what was used longest ago until the rest fits, and return what is gone.

    Pinned entries and those in use stay, even if the rest then doesn't fit. The caller holds the
    store's lock.
    """
    found = sorted(stored_entries(root), key=lambda entry: entry.last_used_ns)
    excess = sum(entry.size_bytes for entry in found) - limit_bytes
    if excess <= 0:
        return []
    pinned = pinned_keys(root)
    return remove(root, [entry for entry in found if entry.place.name not in pinned], excess)


def remove(root: Path, entries: Iterable[StoredEntry], enough_bytes: float) -> list[StoredEntry]:
    """Remove entries in this order until enough is free, those in use excepted.

    Each leaves its place in one step, so that nobody meets half of one.
    """
    gone: list[StoredEntry] = []
    trash = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root / PARTIAL))
    try:
        for entry in entries:
            if enough_bytes <= 0:
                break
            if _move_away(entry, trash):
                gone.append(entry)
                enough_bytes -= entry.size_bytes
    finally:
        shutil.rmtree(trash, ignore_errors=True)
    return gone


def write_pin(root: Path, owner: Path, keys: Collection[str]) -> None:
    """Replace what a run has pinned."""
    name = hashlib.sha256(str(owner.resolve()).encode()).hexdigest()[:32]
    text = json.dumps({"owner": str(owner.resolve()), "keys": sorted(keys)})
    _write_atomically(root, root / PINS / f"{name}.json", text)


def pinned_keys(root: Path) -> set[str]:
    """Return the keys that runs have pinned, and forget the pins of runs that are gone."""
    keys: set[str] = set()
    for pin in (root / PINS).iterdir():
        try:
            said = json.loads(pin.read_text())
            owner, pinned = Path(said["owner"]), set(said["keys"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # its run writes it anew
        if owner.is_dir():
            keys |= pinned
        else:
            pin.unlink(missing_ok=True)
    return keys


def limit_bytes(root: Path) -> int:
    """Return the limit: what a person has set, else a fifth of the disk or 20 GiB."""
    try:
        return int((root / _LIMIT).read_text())
    except (FileNotFoundError, ValueError):
        return min(LARGEST_DEFAULT_LIMIT_BYTES, shutil.disk_usage(root).total // 5)


def write_limit(root: Path, size_bytes: int) -> None:
    """Set the limit for every process that uses this store."""
    _write_atomically(root, root / _LIMIT, str(size_bytes))


def _move_away(entry: StoredEntry, trash: Path) -> bool:
    """Take an entry out of its place, unless it is in use or was meanwhile."""
    try:
        hold = exclusive_hold(entry.place) if entry.last_used_ns else None
        if entry.last_used_ns and (hold is None or hold.last_used_ns() != entry.last_used_ns):
            return False
        entry.place.rename(trash / entry.place.name)
    except OSError:  # removed or replaced by another process
        return False
    return True


def _stored(stage: str, place: Path) -> StoredEntry:
    size_bytes, last_used_ns = 0, 0
    try:
        with os.scandir(place) as files:
            for file in files:
                status = file.stat(follow_symlinks=False)
                size_bytes += status.st_size
                if file.name == ENTRY_FILE and file.is_file(follow_symlinks=False):
                    last_used_ns = status.st_mtime_ns
    except OSError:  # removed meanwhile
        size_bytes = 0
    return StoredEntry(stage, place, size_bytes, last_used_ns)


def _folders(path: Path) -> list[os.DirEntry[str]]:
    with os.scandir(path) as found:
        return [item for item in found if item.is_dir(follow_symlinks=False)]


def _write_atomically(root: Path, path: Path, text: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root / PARTIAL))
    try:
        (folder / path.name).write_text(text)
        (folder / path.name).replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
