"""One lock for each physical machine: whoever measures on it holds it, whatever host it came from.

A search on a board and one that reaches the board over SSH meet at the same file, which says who
holds it. The kernel frees the lock when its holder dies, so none is ever stale.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from typing import Any, Callable, Dict, Optional

LOCK_FILE = "/tmp/edge-inference-search.lock"  # noqa: S108  one for all users, whatever their TMPDIR
_TICK_S = 0.5

Holder = Dict[str, Any]
"""What the holder of a lock wrote about itself."""


def wait_for_lock(
    try_to_take: Callable[[], Optional[Holder]], waiting: Callable[[Holder], None]
) -> None:
    """Come back once a lock is taken.

    Args:
        try_to_take: Takes it, or returns its holder.
        waiting: Told the holder, once, where the lock isn't free at once.
    """
    holder = try_to_take()
    if holder is not None:
        waiting(holder)
    while holder is not None:
        time.sleep(_TICK_S)
        holder = try_to_take()


class DeviceLock:
    """The lock of the machine that this runs on, for all of its users.

    Args:
        path: The file; tests pass another.
    """

    def __init__(self, path: str = LOCK_FILE) -> None:
        self._path = path
        self._fd: Optional[int] = None

    def try_to_take(self, holder: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Take the lock, or return what its holder wrote about itself.

        Args:
            holder: Who asks, plain data: what others are told while it is held.

        Raises:
            OSError: If the file can't be opened.
        """
        fd = _open(self._path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            found = _read(fd)
            os.close(fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return found
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode(), 0)
        self._fd = fd
        return None

    def release(self) -> None:
        """Free the lock, if it is held."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


def _open(path: str) -> int:
    """Open the file, which any user may have made; a link in its place is refused."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)  # the kernel forbids O_CREAT on another user's file in /tmp
    except FileNotFoundError:
        fd = os.open(path, flags | os.O_CREAT, 0o666)
    if stat.S_IMODE(os.fstat(fd).st_mode) != 0o666:
        with contextlib.suppress(PermissionError):  # another user was quicker
            os.fchmod(fd, 0o666)  # whatever the umask says
    return fd


def _read(fd: int) -> Dict[str, Any]:
    try:
        found = json.loads(os.pread(fd, 4096, 0).decode())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
