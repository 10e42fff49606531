"""Messages between a parent and its children: one JSON header, then arrays as length-framed .npy.

No pickle: what a child or a board sends is data. A message on the wire::

    b"EIS1" | header length, 4 bytes | header, JSON | (array length, 8 bytes | array, .npy) * n

This file runs on the device too: Python 3.7, standard library and NumPy only.
"""

from __future__ import annotations

import io
import json
import struct
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import numpy as np

MAGIC = b"EIS1"
HEADER_LIMIT_BYTES = 64 * 2**20
ARRAY_LIMIT_BYTES = 4 * 2**30

ReadExactly = Callable[[int], bytes]


class Message(NamedTuple):
    """A JSON object and the arrays that belong to it."""

    body: Dict[str, Any]
    arrays: List[np.ndarray]


class BrokenMessage(ValueError):
    """The other side sent something that isn't a message."""


def encode_message(body: Dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> bytes:
    """Return one message as bytes. ``body`` must be plain JSON data."""
    header = json.dumps({"body": body, "arrays": len(arrays)}).encode()
    parts = [MAGIC, struct.pack(">I", len(header)), header]
    for array in arrays:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        payload = buffer.getvalue()
        parts += [struct.pack(">Q", len(payload)), payload]
    return b"".join(parts)


def read_message(read_exactly: ReadExactly) -> Message:
    """Read one message.

    Args:
        read_exactly: Returns exactly as many bytes as asked for, or raises EOFError.

    Raises:
        EOFError: If the stream ends.
        BrokenMessage: If what arrives isn't a message, or is larger than any message may be.
    """
    magic = read_exactly(len(MAGIC))
    if magic != MAGIC:
        raise BrokenMessage("a message must start with {!r}, but got {!r}.".format(MAGIC, magic))
    header_bytes = _bounded(struct.unpack(">I", read_exactly(4))[0], HEADER_LIMIT_BYTES)
    try:
        header = json.loads(read_exactly(header_bytes).decode())
        body, count = header["body"], int(header["arrays"])
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenMessage("a message's header must be JSON: {}.".format(error)) from error
    return Message(body, [_read_array(read_exactly) for _ in range(count)])


def _read_array(read_exactly: ReadExactly) -> np.ndarray:
    size = _bounded(struct.unpack(">Q", read_exactly(8))[0], ARRAY_LIMIT_BYTES)
    payload = io.BytesIO(read_exactly(size))
    try:
        array: np.ndarray = np.load(payload, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise BrokenMessage("an array must be a .npy without objects: {}.".format(error)) from error
    return array


def _bounded(size: int, limit: int) -> int:
    if size > limit:
        raise BrokenMessage("a part of {} bytes is over the limit of {}.".format(size, limit))
    return size
