"""Messages between a parent and its children: one JSON header, then arrays as length-framed .npy.

No pickle: what a child or a board sends is data. `evaluators.frames` shows the wire.

This file runs on the device too: Python 3.7, standard library and NumPy only.
"""

from __future__ import annotations

import io
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

from evaluators.frames import BrokenMessage, Frame, ReadExactly, encode_frame, read_frame


class Message(NamedTuple):
    """A JSON object and the arrays that belong to it."""

    body: Dict[str, Any]
    arrays: List[np.ndarray]


def encode_message(body: Dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> bytes:
    """Return one message as bytes. ``body`` must be plain JSON data."""
    payloads = []
    for array in arrays:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        payloads.append(buffer.getvalue())
    return encode_frame(body, payloads)


def read_message(read_exactly: ReadExactly) -> Message:
    """Read one message.

    Args:
        read_exactly: Returns exactly as many bytes as asked for, or raises EOFError.

    Raises:
        EOFError: If the stream ends.
        BrokenMessage: If what arrives isn't a message, or is larger than any message may be.
    """
    return message_of(read_frame(read_exactly))


def message_of(frame: Frame) -> Message:
    """Return a frame whose payloads are arrays as a message.

    Raises:
        BrokenMessage: If one isn't an array.
    """
    return Message(frame.body, [_array(payload) for payload in frame.payloads])


def _array(payload: bytes) -> np.ndarray:
    try:
        array: np.ndarray = np.load(io.BytesIO(payload), allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise BrokenMessage("an array must be a .npy without objects: {}.".format(error)) from error
    return array
