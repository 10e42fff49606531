"""The content-addressed artifact store: what a stage built, kept under the hash of its recipe.

::

    <root>/
        <stage>/<first two digits>/<key>/     one entry, complete or not there
            entry.json                        recipe, facts, SHA-256 and size of every file
            ...                               the files
        partial/<pid>-<random>/               being built; swept when its process is gone

The key is the SHA-256 of the recipe, which names the stage, everything it was given and the version
of every tool. Writing ends in one rename; reading checks every hash; a damaged entry is rebuilt.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psutil

from evaluators.failures import DiskFull, EvaluationFailure, says_disk_full

LAYOUT_VERSION = 1
ROOT_VARIABLE = "EDGE_INFERENCE_SEARCH_CACHE"
_PROBE_BYTES = 65_536


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
    """

    key: str
    path: Path
    digest: str
    facts: dict[str, Any]
    files: dict[str, str]
    seconds: float
    was_found: bool


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
            (root / "partial").mkdir(parents=True, exist_ok=True)
        self._sweep()

    def get_or_build(
        self, stage: str, recipe: Mapping[str, Any], build: Callable[[Path], dict[str, Any]]
    ) -> Entry:
        """Return the entry of a recipe, building it where it isn't there or is damaged.

        Args:
            stage: Name of the stage, part of the key.
            recipe: Everything that decides the files, as plain data.
            build: Fills an empty folder and returns facts. What it raises is passed on, and
                nothing is kept.

        Raises:
            DiskFull: If building failed and the store's disk is full, whatever the failure says.
        """
        full = {"stage": stage, "layout": LAYOUT_VERSION, **recipe}
        key = hashlib.sha256(json.dumps(full, sort_keys=True).encode()).hexdigest()
        place = self.root / stage / key[:2] / key
        found = read_entry(place)
        return found if found is not None else self._build(place, key, full, build)

    def _build(
        self,
        place: Path,
        key: str,
        recipe: dict[str, Any],
        build: Callable[[Path], dict[str, Any]],
    ) -> Entry:
        start = time.monotonic()
        with self._partial_folder() as partial:
            facts = build(partial)
            seconds = time.monotonic() - start
            files = {path.name: _file_sha256(path) for path in sorted(partial.iterdir())}
            document = {"recipe": recipe, "facts": facts, "files": files, "seconds": seconds}
            (partial / "entry.json").write_text(json.dumps(document))
            _put_in_place(partial, place)
        return Entry(key, place, _digest(files), facts, files, seconds, was_found=False)

    @contextmanager
    def _partial_folder(self) -> Iterator[Path]:
        with self._blaming_the_disk(self.root):
            partial = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.root / "partial"))
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
        for partial in (self.root / "partial").iterdir():
            pid = partial.name.partition("-")[0]
            if not (pid.isdigit() and psutil.pid_exists(int(pid))):
                shutil.rmtree(partial, ignore_errors=True)


def read_entry(place: Path) -> Entry | None:
    """Return the entry in a folder, or None where there is none or one of its hashes is wrong."""
    try:
        document = json.loads((place / "entry.json").read_text())
        files = dict(document["files"])
        intact = all(_file_sha256(place / name) == sha for name, sha in files.items())
        facts, seconds = document["facts"], document["seconds"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not intact:
        return None
    return Entry(place.name, place, _digest(files), facts, files, seconds, was_found=True)


def tool_versions(*distributions: str) -> dict[str, str]:
    """Return the installed version of each distribution, for a recipe."""
    return {name: _version(name) for name in distributions}


@cache
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


@cache
def code_digest(*modules: str) -> str:
    """Return the SHA-256 of the source of our own modules: they are tools with versions too."""
    total = hashlib.sha256()
    for name in modules:
        spec = util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        sources = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
        for source in sources:
            total.update(source.read_bytes())
    return total.hexdigest()


def _put_in_place(partial: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and read_entry(place) is None:  # damaged
        shutil.rmtree(place)
    try:
        partial.rename(place)
    except OSError:
        if not place.exists():  # otherwise another process was first, with the same recipe
            raise


def _is_full(folder: Path) -> bool:
    """Try to write a little into a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            os.fsync(probe.fileno())  # where space is given late, only now
    except OSError as error:
        return says_disk_full(error)
    return False


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
