"""What a board keeps of the files that were sent to it, each under its SHA-256, and nothing else.

::

    ~/.cache/edge-inference-search/board/    or under $XDG_CACHE_HOME
        worker-<sha256>.pyz     the program itself, by version; unused for a week, it goes
        files/<sha256>          artifacts and inputs, 512 MiB at most, the longest unused go first
        work/<random>/          of an agent that runs: `lock`, held by it, and its job's folders

``work/`` is empty when nothing runs: an agent removes its own folder, and those of agents that were
killed.

This file runs on the device: Python 3.7, standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from typing import Dict, Iterable, List, Optional, Set

from evaluators.failures import EvaluationFailure

FILES_LIMIT_BYTES = 512 * 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BoardFiles:
    """The folder of one board.

    Args:
        root: The folder ``board`` above; it is created.
    """

    def __init__(self, root: str) -> None:
        self._files = os.path.join(root, "files")
        self._all_work = os.path.join(root, "work")
        for folder in (self._files, self._all_work):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        _remove_abandoned(self._all_work)
        self.work = tempfile.mkdtemp(dir=self._all_work)
        self._lock = os.open(os.path.join(self.work, "lock"), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._intact: Set[str] = set()

    def close(self) -> None:
        """Remove the work folder, those of agents that were killed, and what is over the limit."""
        shutil.rmtree(self.work, ignore_errors=True)
        os.close(self._lock)
        _remove_abandoned(self._all_work)
        self.evict()

    def lacking(self, names: Iterable[str]) -> List[str]:
        """Return those files that aren't here or were damaged; the others count as used.

        Cards and power supplies of boards fail: a file of an earlier agent is read once before it
        is believed.
        """
        return [sha256 for sha256 in dict.fromkeys(names) if not self._has(sha256)]

    def _has(self, sha256: str) -> bool:
        place = self.path(sha256)
        try:
            os.utime(place)
            if sha256 not in self._intact and _sha256_of(place) != sha256:
                return False
        except OSError:  # not here, or not to be read any more
            return False
        self._intact.add(sha256)
        return True

    def path(self, sha256: str) -> str:
        """Return where a file is, or would be.

        Raises:
            EvaluationFailure: If that is no SHA-256, which could point anywhere.
        """
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise EvaluationFailure(
                "a file must be named by its SHA-256, but got {!r}.".format(sha256)
            )
        return os.path.join(self._files, sha256)

    def add(self, sha256: str, part: bytes, *, is_last: bool) -> None:
        """Append a part of a file; with the last one, check the whole and keep it.

        Raises:
            EvaluationFailure: If what arrived isn't that file.
            OSError: If the disk is full.
        """
        place = self.path(sha256)
        coming = os.path.join(self.work, sha256)
        with open(coming, "ab") as file:
            file.write(part)
        if not is_last:
            return
        if _sha256_of(coming) != sha256:
            os.unlink(coming)
            raise EvaluationFailure("a file arrived damaged: {}.".format(sha256))
        os.replace(coming, place)
        self._intact.add(sha256)

    def keep(self, path: str) -> str:
        """Move a file of the work folder to the kept ones, and return its SHA-256."""
        sha256 = _sha256_of(path)
        os.replace(path, self.path(sha256))
        return sha256

    def lay_out(self, name: str, files: Dict[str, str]) -> str:
        """Make a folder of the work folder with links to kept files, by file name -> SHA-256.

        Raises:
            EvaluationFailure: If a name has a folder in it.
        """
        folder = os.path.join(self.work, _plain(name))
        os.mkdir(folder)
        for file, sha256 in files.items():
            os.symlink(self.path(sha256), os.path.join(folder, _plain(file)))
        return folder

    def empty_folder(self, name: str) -> str:
        """Make an empty folder in the work folder."""
        return self.lay_out(name, {})

    def clear(self) -> None:
        """Remove what a job left in the work folder."""
        for entry in os.listdir(self.work):
            path = os.path.join(self.work, entry)
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)

    def evict(self, limit_bytes: int = FILES_LIMIT_BYTES) -> None:
        """Remove what was used longest ago, down to the limit."""
        found = []
        for name in os.listdir(self._files):
            with contextlib.suppress(FileNotFoundError):  # another agent was quicker
                status = os.stat(os.path.join(self._files, name))
                found.append((status.st_mtime_ns, status.st_size, name))
        left = sum(size for _, size, _ in found)
        for _, size, name in sorted(found):
            if left <= limit_bytes:
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._files, name))
            left -= size


def _plain(name: str) -> str:
    if name in ("", ".", "..", "lock") or os.path.basename(name) != name:
        raise EvaluationFailure("a file's name must be one word, but got {!r}.".format(name))
    return name


def _remove_abandoned(work: str) -> None:
    """Remove the folders of agents that were killed: nobody holds their locks."""
    for entry in os.listdir(work):
        folder = os.path.join(work, entry)
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: str) -> bool:
    fd: Optional[int] = None
    try:
        fd = os.open(os.path.join(folder, "lock"), os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, or begun a moment ago, or gone already
        return False
    finally:
        if fd is not None:
            os.close(fd)
    return True


def _sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(2**20), b""):
            digest.update(part)
    return digest.hexdigest()
