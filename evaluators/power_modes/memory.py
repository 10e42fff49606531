"""The file that remembers what was in force while another mode is, and the lock on it.

::

    /var/tmp/edge-inference-search.power-mode
        {"pid": 4711, "boot_id": "...", "settings": [
            {"kind": "governor", "value": "performance", "before": {"policy0": "schedutil"}}]}

It is there while a mode is set. Its lock is held by the guardian that will put things back: a file
whose lock is free was left behind by a guardian that was killed, or by a power failure. What it
says is done as root where a Jetson's clocks are restored, so another user's file isn't believed.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from typing import Any, Dict, Optional

from evaluators.failures import DeviceLost

PATIENCE_S = 90.0
"""How long a guardian may take to put back what it set; nvpmodel may need three times 30 s."""
_TICK_S = 0.05


class Memory:
    """The memory of one machine, with its lock taken.

    Args:
        path: The file.
        fd: Of the file, locked.
    """

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd

    @classmethod
    def made(cls, path: str) -> Memory:
        """Make the file, which must not be there yet.

        Raises:
            DeviceLost: If it can't be made.
        """
        while True:
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                fd = os.open(path, flags, 0o644)
            except OSError as error:
                raise DeviceLost("{} can't be made: {}.".format(path, error.strerror)) from error
            if _locked(fd, path):
                return cls(path, fd)
            os.close(fd)  # somebody took it for one that was left behind

    @classmethod
    def found(cls, path: str) -> Optional[Memory]:
        """Wait until no guardian holds the file, and return it; None where there is none then.

        Raises:
            DeviceLost: If it can't be opened, or is held for too long.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise DeviceLost("{} can't be read: {}.".format(path, error.strerror)) from error
            if _locked(fd, path):
                return cls(path, fd)
            os.close(fd)
            if time.monotonic() > deadline_s:
                raise DeviceLost("a power mode is still held, by who locks {}.".format(path))
            time.sleep(_TICK_S)

    def read(self) -> Dict[str, Any]:
        """Return what is remembered; nothing where that was never written to the end.

        Raises:
            DeviceLost: If it is another user's.
        """
        size = os.fstat(self._fd).st_size
        try:
            remembered = json.loads(os.pread(self._fd, size, 0).decode())
        except ValueError:  # then nothing was set yet
            return {}
        self._believe()
        return dict(remembered)

    def write(self, remembered: Dict[str, Any]) -> None:
        """Write what is in force, to the disk itself, before anything is changed.

        Raises:
            DeviceLost: If it can't be written.
        """
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(remembered).encode(), 0)
            os.fsync(self._fd)
        except OSError as error:
            reason = "{} can't be written: {}.".format(self._path, error.strerror)
            raise DeviceLost(reason) from error

    def forget(self) -> None:
        """Remove the file: all is as it was."""
        with contextlib.suppress(PermissionError):  # another user's, and empty
            os.unlink(self._path)
        self.release()

    def release(self) -> None:
        """Free the lock and leave the file."""
        os.close(self._fd)

    def _believe(self) -> None:
        status = os.fstat(self._fd)
        is_others = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
        if status.st_uid in (0, os.geteuid()) and not is_others:
            return
        raise DeviceLost(
            "{} says that a run of user {} was killed and left another power mode, but only that "
            "user's word for it is there. Let that user run anything here, or set the mode by hand "
            "and remove the file.".format(self._path, status.st_uid)
        )


def _locked(fd: int, path: str) -> bool:
    """Lock a file without waiting, and say whether that worked and it is still the one there."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    mine = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
