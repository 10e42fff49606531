"""One frame on the wire: a JSON header, then payloads of any bytes, each with its length.

::

    b"EIS1" | header length, 4 bytes | header, JSON | (payload length, 8 bytes | payload) * n

No pickle: what a child or a board sends is data. `evaluators.framing` puts arrays into payloads; a
board's agent passes them on without looking inside, and so runs without NumPy.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

MAGIC = b"EIS1"
HEADER_LIMIT_BYTES = 64 * 2**20
PAYLOAD_LIMIT_BYTES = 4 * 2**30

MEMORY_LIMIT_VARIABLE = "EIS_MEMORY_LIMIT_BYTES"
PARENT_VARIABLE = "EIS_PARENT_PID"
"""What a child is told before the first frame, through its environment."""

ReadExactly = Callable[[int], bytes]


class Frame(NamedTuple):
    """A JSON object and the bytes that belong to it."""

    body: Dict[str, Any]
    payloads: List[bytes]


class BrokenMessage(ValueError):
    """The other side sent something that isn't a message."""


def encode_frame(body: Dict[str, Any], payloads: Sequence[bytes] = ()) -> bytes:
    """Return one frame as bytes. ``body`` must be plain JSON data."""
    header = json.dumps({"body": body, "arrays": len(payloads)}).encode()
    parts = [MAGIC, struct.pack(">I", len(header)), header]
    for payload in payloads:
        parts += [struct.pack(">Q", len(payload)), payload]
    return b"".join(parts)


def read_frame(read_exactly: ReadExactly) -> Frame:
    """Read one frame.

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
    return Frame(body, [_read_payload(read_exactly) for _ in range(count)])


def _read_payload(read_exactly: ReadExactly) -> bytes:
    size = _bounded(struct.unpack(">Q", read_exactly(8))[0], PAYLOAD_LIMIT_BYTES)
    return read_exactly(size)


def _bounded(size: int, limit: int) -> int:
    if size > limit:
        raise BrokenMessage("a part of {} bytes is over the limit of {}.".format(size, limit))
    return size
