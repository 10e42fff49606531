"""Which samples a model answers rightly, as text that a JSON file can hold."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray


def packed(right: NDArray[np.bool_]) -> str:
    """Return booleans as text, six to a character."""
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def unpacked(text: str, count: int) -> NDArray[np.bool_]:
    """Return the ``count`` booleans that `packed` made a text of."""
    bits = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return np.unpackbits(bits, count=count).astype(bool)
