"""The content-addressed artifact store: what a stage built, kept under the hash of its recipe.

::

    <root>/
        <stage>/<first two digits>/<key>/     one entry, complete or not there
        partial/<pid>-<random>/               being built or removed; swept when its process is gone
        pins/  limit                          see `evaluators.store_eviction`
        store.lock                            held while entries are removed or replaced

The key is the SHA-256 of the recipe, which names the stage, everything it was given and the version
of every tool. Writing ends in one rename; reading checks every byte (`evaluators.store_entry`); a
damaged entry is rebuilt. What was used longest ago goes when the store grows over its limit.

A tool's refusal is kept like a file, because the same recipe would be refused again. What was
cut short isn't, nor is anything about a device, a disk or a file that a person may mend.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from evaluators.failures import (
    CandidateAborted,
    CandidateRejected,
    DiskFull,
    EvaluationFailure,
    says_disk_full,
)
from evaluators.store_entry import Entry, digest_of, key_of, read_content, read_entry, write_entry
from evaluators.store_eviction import (
    PARTIAL,
    PINS,
    StoredEntry,
    evict,
    limit_bytes,
    remove,
    stored_entries,
    write_limit,
    write_pin,
)

LAYOUT_VERSION = 2
ROOT_VARIABLE = "EDGE_INFERENCE_SEARCH_CACHE"
FORGET_COMMAND = "python -m search store --forget"
_PROBE_BYTES = 65_536
# Walking the store is what costs, so it waits for a 32nd of the limit, which is kept free for that.
_SLACK_SHARE = 32

Build = Callable[[Path], dict[str, Any]]


def default_root() -> Path:
    """Return where the store lies unless the environment variable names another place."""
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named)
    cache_home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache_home) / "edge-inference-search"


class ArtifactStore:
    """Entries by key, shared by all studies of one person on one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with self._blaming_the_disk(root):
            for name in (PARTIAL, PINS):
                (root / name).mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(root / "store.lock")
        self._unwatched_bytes: float = float("inf")
        self._sweep()

    def get_or_build(self, stage: str, recipe: Mapping[str, Any], build: Build) -> Entry:
        """Return the entry of a recipe, building it where it isn't there or is damaged.

        As long as the entry lives, its files can't be evicted.

        Args:
            stage: Name of the stage, part of the key.
            recipe: Everything that decides the files, as plain data.
            build: Fills an empty folder and returns facts. What it raises is passed on; only a
                refusal is kept, and raised again at the next call.

        Raises:
            CandidateRejected: Also where the same recipe was refused before.
            DiskFull: If building failed and the store's disk is full, whatever the failure says.
        """
        full = {"stage": stage, "layout": LAYOUT_VERSION, **recipe}
        key = key_of(full)
        place = self.root / stage / key[:2] / key
        entry = read_entry(place) or self._build(place, full, build)
        if entry.refusal is not None:
            raise CandidateRejected(
                f"{entry.refusal} (Remembered from an earlier try; to try again: {FORGET_COMMAND})",
                stage,
            )
        return entry

    def pin(self, owner: Path, keys: Collection[str]) -> None:
        """Keep entries from eviction for as long as a folder is there; replaces its older pins.

        Raises:
            DiskFull: If there is no room even for that.
        """
        with self._blaming_the_disk(self.root), self._lock:
            write_pin(self.root, owner, keys)

    def set_limit(self, size_bytes: int) -> None:
        """Set the size that the store may have, for every process that uses it.

        Raises:
            DiskFull: If there is no room even for that.
        """
        with self._blaming_the_disk(self.root), self._lock:
            write_limit(self.root, size_bytes)

    def prune(self, size_bytes: int) -> list[StoredEntry]:
        """Remove what was used longest ago until the rest fits, and return what is gone.

        What is pinned or in use stays.

        Raises:
            DiskFull: If not even a folder can be made.
        """
        with self._blaming_the_disk(self.root), self._lock:
            return evict(self.root, size_bytes)

    def forget_refusals(self) -> list[StoredEntry]:
        """Remove what is remembered of tools that refused, and return it.

        Raises:
            DiskFull: If not even a folder can be made.
        """
        with self._blaming_the_disk(self.root), self._lock:
            refusals = [e for e in stored_entries(self.root) if refusal_of(e) is not None]
            return remove(self.root, refusals, float("inf"))

    def _build(self, place: Path, recipe: dict[str, Any], build: Build) -> Entry:
        try:
            return self._fill(place, recipe, build, None)
        except CandidateAborted:
            raise
        except CandidateRejected as refusal:  # and the disk isn't full, or it would say so
            self._fill(place, recipe, lambda _: {}, refusal.reason)
            raise

    def _fill(
        self, place: Path, recipe: dict[str, Any], build: Build, refusal: str | None
    ) -> Entry:
        start = time.monotonic()
        with self._partial_folder() as partial:
            facts = build(partial)
            seconds = time.monotonic() - start
            content, hold = write_entry(partial, recipe, facts, seconds, refusal)
            size_bytes = sum(path.stat().st_size for path in partial.iterdir())
            winner = self._put_in_place(partial, place)
        self._keep_the_limit(size_bytes)
        if winner is not None:
            return replace(winner, was_found=False)
        files = content["files"]
        return Entry(
            place.name, place, digest_of(files), facts, files, seconds, False, refusal, hold
        )

    def _put_in_place(self, partial: Path, place: Path) -> Entry | None:
        """Make a complete entry visible; another process's of the same recipe, if it was first."""
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.rename(place)
        except OSError:
            with self._lock:
                return read_entry(place) or self._replace(place, partial)
        return None

    def _replace(self, place: Path, partial: Path) -> Entry | None:
        """Put an entry where a damaged one is, unless another process is first even then."""
        trash = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.root / PARTIAL))
        if os.path.lexists(place):
            place.rename(trash / place.name)
        try:
            partial.rename(place)
        except OSError:
            winner = read_entry(place)
            if winner is None:
                raise
            return winner
        finally:
            shutil.rmtree(trash, ignore_errors=True)
        return None

    def _keep_the_limit(self, written_bytes: int) -> None:
        """Evict what is over the limit, looking only where much was written since the last look."""
        self._unwatched_bytes += written_bytes
        limit = limit_bytes(self.root)
        if self._unwatched_bytes > limit / _SLACK_SHARE:
            self.prune(limit - limit // _SLACK_SHARE)
            self._unwatched_bytes = 0.0

    @contextmanager
    def _partial_folder(self) -> Iterator[Path]:
        with self._blaming_the_disk(self.root):
            partial = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.root / PARTIAL))
        try:
            with self._blaming_the_disk(partial):
                yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def _blaming_the_disk(self, folder: Path) -> Iterator[None]:
        """Say that the disk is full where that is why something failed.

        A converter that can't write says so in words of its own, or dies, so the disk is tried.
        What was half written has to be there still: removing it makes room.
        """
        try:
            yield
        except (OSError, EvaluationFailure) as error:
            if says_disk_full(error) or _is_full(folder):
                raise DiskFull(
                    f"{self.root} can't be written: no space left on device. Free space there, or "
                    f"name another folder with {ROOT_VARIABLE}."
                ) from error
            raise

    def _sweep(self) -> None:
        """Remove what a killed process left half built."""
        for partial in (self.root / PARTIAL).iterdir():
            pid = partial.name.partition("-")[0]
            if not (pid.isdigit() and psutil.pid_exists(int(pid))):
                shutil.rmtree(partial, ignore_errors=True)


def refusal_of(entry: StoredEntry) -> str | None:
    """Return why a tool refused, where that is what an entry remembers."""
    try:
        return read_content(entry.place).get("refusal")
    except (OSError, ValueError):
        return None


def _is_full(folder: Path) -> bool:
    """Try to write a little into a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            os.fsync(probe.fileno())  # where space is given late, only now
    except OSError as error:
        return says_disk_full(error)
    return False
