"""Peak memory of this process, from the kernel's own high-water mark."""

from __future__ import annotations

from typing import Optional


def reset_peak() -> bool:
    """Set the high-water mark back to what is resident now; False where the kernel can't.

    References:
        Documentation/filesystems/proc.rst, "/proc/PID/clear_refs": writing 5 resets VmHWM.
    """
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def peak_bytes() -> Optional[int]:
    """Return the most memory that was ever resident since the last reset, or None if unknown."""
    try:
        with open("/proc/self/status") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
