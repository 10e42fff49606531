"""Peak memory of this process: the kernel's own high-water mark, or private memory polled.

The high-water mark (``VmHWM``) misses nothing and costs nothing, but has to be reset once the
engine is imported, which not every kernel or container allows. There the private memory of the
process (USS) is polled while the model is loaded and run a second time, untimed.
"""

from __future__ import annotations

import os
import threading
from typing import Optional

POLL_S = 0.002


def reset_peak(proc: str = "/proc/self") -> bool:
    """Set the high-water mark back to what is resident now; False where the kernel can't.

    References:
        Documentation/filesystems/proc.rst, "/proc/PID/clear_refs": writing 5 resets VmHWM.
    """
    try:
        with open(os.path.join(proc, "clear_refs"), "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def peak_bytes(proc: str = "/proc/self") -> Optional[int]:
    """Return the most memory that was ever resident since the last reset, or None if unknown."""
    return _sum_of_lines(os.path.join(proc, "status"), ("VmHWM:",))


def uss_bytes(proc: str = "/proc/self") -> Optional[int]:
    """Return what is resident in this process and shared with no other, or None if unknown."""
    return _sum_of_lines(
        os.path.join(proc, "smaps_rollup"), ("Private_Clean:", "Private_Dirty:", "Private_Hugetlb:")
    )


class UssPeak:
    """The largest `uss_bytes` seen by a thread between `start` and `stop`."""

    def __init__(self, proc: str = "/proc/self") -> None:
        self._proc = proc
        self._peak_bytes = None  # type: Optional[int]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def start(self) -> Optional[int]:
        """Begin, and return what is there at the beginning; None where the kernel doesn't tell."""
        before_bytes = self._peak_bytes = uss_bytes(self._proc)
        self._thread.start()
        return before_bytes

    @property
    def seen_bytes(self) -> Optional[int]:
        """The largest so far."""
        return self._peak_bytes

    def stop(self) -> Optional[int]:
        """End, and return the peak; None where the kernel doesn't tell."""
        self._is_over.set()
        self._thread.join()
        self._look()
        return self.seen_bytes

    def _poll(self) -> None:
        while not self._is_over.wait(POLL_S):
            self._look()

    def _look(self) -> None:
        now_bytes = uss_bytes(self._proc)
        if now_bytes is not None and self._peak_bytes is not None:
            self._peak_bytes = max(self._peak_bytes, now_bytes)


def _sum_of_lines(path: str, names: tuple) -> Optional[int]:
    """Return the sum of the lines of these names, which the kernel gives in kB."""
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(names)]
    return sum(found) if found else None
