"""How far an output may lie from the recorded one on another machine, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHARES = {"fp32": 1e-3, "fp16": 1e-2}
_EIGHT_BITS = 5e-2
_REASONS = {
    "fp32": (
        "float32 sums of thousands of terms in another order, or by Winograd's method, agree to "
        "four digits or more; a network run in bfloat16 by mistake wouldn't"
    ),
    "fp16": (
        "float16 has 11 bits, so each layer may round by one in 2048 of its range, and dozens of "
        "layers add up"
    ),
}
_EIGHT_BITS_REASON = (
    "one of its 8-bit steps is 0.4 % of a range, kernels of another processor round to the one "
    "next to it here and there, and a dozen such steps may add up; a wrong file or input differs "
    "by far more"
)


def share_of_range(precision: str) -> float:
    """Return the tolerance as a share of an output's range over the check inputs."""
    return _SHARES.get(precision, _EIGHT_BITS)


def reason(precision: str) -> str:
    """Return why it is as large as that."""
    return _REASONS.get(precision, _EIGHT_BITS_REASON)


def tolerance(output: NDArray[Any], precision: str) -> float:
    """Return the largest absolute difference that is still right; integers must be equal."""
    if output.dtype.kind != "f":
        return 0.0
    finite = output[np.isfinite(output)].astype(np.float64)
    if not finite.size:
        return 0.0
    # A constant output has no range, but a size.
    span = float(np.ptp(finite)) or float(np.abs(finite).max())
    return share_of_range(precision) * span
