"""Durations and sizes as people write them: ``1h30m``, ``8GiB``."""

from __future__ import annotations

import math
import re

from spaces.dimensions import is_number

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "KB": 1e3, "MB": 1e6, "GB": 1e9}
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"

DURATION_PATTERN = rf"^(?:{_NUMBER}[dhms])+$"
SIZE_PATTERN = rf"^{_NUMBER} ?(?:{'|'.join(_BYTES)})$"


def duration_s(raw: object) -> float:
    """Return the seconds in ``5m``, ``1h30m`` or a plain number of seconds.

    Raises:
        ValueError: If it is no duration above 0; the text is the rule alone.
    """
    seconds = 0.0
    if isinstance(raw, int | float) and is_number(raw):
        seconds = float(raw)
    elif isinstance(raw, str) and re.fullmatch(DURATION_PATTERN, raw):
        parts = re.findall(rf"({_NUMBER})([dhms])", raw)
        seconds = sum(float(count) * _SECONDS[unit] for count, unit in parts)
    if not 0 < seconds < math.inf:
        raise ValueError("must be a duration above 0, such as 90s, 5m or 1h30m")
    return seconds


def size_bytes(raw: object) -> int:
    """Return the bytes in ``8GiB``; a number without a unit is refused, since it could be any.

    Raises:
        ValueError: If it is no size above 0; the text is the rule alone.
    """
    size = 0
    if isinstance(raw, str) and re.fullmatch(SIZE_PATTERN, raw):
        number, unit = re.findall(rf"({_NUMBER}) ?(\w+)", raw)[0]
        size = int(float(number) * _BYTES[unit])
    if size <= 0:
        raise ValueError("must be a size with its unit, such as 512MiB or 8GiB")
    return size
