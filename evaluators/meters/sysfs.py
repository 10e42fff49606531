"""Numbers and words from the kernel's files, with the reason where one can't be read."""

from __future__ import annotations

import os
from typing import List, Optional, Sequence

from evaluators.failures import DeviceLost


def read_word(folder: str, name: str) -> str:
    """Return a file's text without its line end, or an empty string where there is none."""
    try:
        with open(os.path.join(folder, name), errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def read_integer(path: str) -> int:
    """Return the whole number that a file holds.

    Raises:
        DeviceLost: If the file vanished, can't be read or holds something else.
    """
    try:
        with open(path, errors="replace") as file:
            text = file.read().strip()
    except OSError as error:
        raise DeviceLost("{} can't be read: {}.".format(path, error.strerror)) from error
    try:
        return int(text)
    except ValueError as error:
        rule = "{} must hold a whole number, but holds {!r}.".format(path, text[:40])
        raise DeviceLost(rule) from error


def unreadable_reason(paths: Sequence[str]) -> Optional[str]:
    """Return why one of these files can't be read and how to allow all of them, or None."""
    denied: List[str] = []
    for path in paths:
        try:
            read_integer(path)
        except DeviceLost as lost:
            if not isinstance(lost.__cause__, PermissionError):
                return lost.reason.rstrip(".")
            denied.append(path)
    if not denied:
        return None
    return "{} can't be read. Allow it with: sudo chmod a+r {}".format(denied[0], " ".join(denied))
