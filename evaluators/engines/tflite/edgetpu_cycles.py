"""How many cycles ``edgetpu_compiler`` would estimate for a model, without the compiler.

Google's compiler writes its own estimate into each model that it compiles. Six of Google's
published test models [1] hold one, and two terms explain them. The chip's 4 x 4 tiles share the
pixels of an output, so each term counts passes over tiles, channels and kernel::

    0.920 * sum over CONV_2D of
            ceil(H / 4) ceil(W / 4) ceil(Cout / 16) kh kw ceil(Cin / 4)
  + 1.332 * sum over DEPTHWISE_CONV_2D of
            ceil(H / 4) ceil(W / 4) ceil(C / 16) kh kw

An output of one pixel leaves nothing to share, so the tiles share channels instead:
FULLY_CONNECTED, and CONV_2D of 1 x 1, are ``ceil(Cout / 256) kh kw Cin / 4`` in the first sum. The
two factors are the least squares of the relative error. Each of the six is met within 10 % by the
factors that the other five give; the tests hold the data and do it again.

So this is an estimate of an estimate. Neither knows of transfers: over USB a query takes about
1.2 ms more, and parameters that don't fit on the chip stream at about 0.5 MB in a millisecond.
Other ops count as nothing, as they did in those models beside their convolutions.

References:
    [1] github.com/google-coral/edgetpu, folder test_data (Apache-2.0); the field of the compiled
        executable is called estimated_cycles_64bit.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np

from evaluators.engines.tflite.graph import Op

CLOCK_HZ = 500e6
"""The chip's highest clock."""
FACTORS = (0.920, 1.332)
"""Cycles for each pass of a convolution, and of a depthwise one."""
_TILE_SIDE, _CHANNELS_OUT, _CHANNELS_IN = 4, 16, 4
_ALL_CHANNELS_OUT = 256
_COUNTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_UNKNOWN = frozenset(["TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM"])
"""Ops that calculate much, and that none of the six models has."""


class Layer(NamedTuple):
    """One op that calculates: the shapes of its weights, as TFLite has them, and of its output."""

    kind: str
    weights: Tuple[int, ...]
    output: Tuple[int, ...]


def estimate_cycles(ops: Sequence[Op]) -> Optional[float]:
    """Return the estimate for a model, or None where it has an op that nothing is known of."""
    if any(op.kind in _UNKNOWN for op in ops):
        return None
    passes = passes_of([_layer(op) for op in ops if op.kind in _COUNTED])
    return sum(factor * count for factor, count in zip(FACTORS, passes))


def passes_of(layers: Sequence[Layer]) -> Tuple[float, float]:
    """Return the passes of all convolutions and fully connected layers, and of depthwise ones."""
    depthwise = [layer for layer in layers if layer.kind == "DEPTHWISE_CONV_2D"]
    others = [layer for layer in layers if layer.kind != "DEPTHWISE_CONV_2D"]
    return sum(map(_convolution_passes, others)), sum(map(_depthwise_passes, depthwise))


def _layer(op: Op) -> Layer:
    weights = op.inputs[1]
    return Layer(op.kind, () if weights is None else weights.shape, op.outputs[0].shape)


def _convolution_passes(layer: Layer) -> float:
    channels_out, *kernel, channels_in = layer.weights
    taps = int(np.prod(kernel, dtype=np.int64))
    if layer.kind == "FULLY_CONNECTED" or layer.output[1:3] == (1, 1):
        return _ceil(channels_out, _ALL_CHANNELS_OUT) * taps * channels_in / _CHANNELS_IN
    spread = _ceil(channels_out, _CHANNELS_OUT) * taps * _ceil(channels_in, _CHANNELS_IN)
    return float(_tiles(layer.output) * spread)


def _depthwise_passes(layer: Layer) -> float:
    _, height, width, channels = layer.weights
    return float(_tiles(layer.output) * _ceil(channels, _CHANNELS_OUT) * height * width)


def _tiles(output: Sequence[int]) -> int:
    return _ceil(output[1], _TILE_SIDE) * _ceil(output[2], _TILE_SIDE)


def _ceil(size: int, by: int) -> int:
    return -(-size // by)
