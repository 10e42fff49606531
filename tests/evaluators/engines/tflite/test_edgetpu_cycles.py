"""The cycle model against the compiler's own estimates, each left out of the fit in turn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluators.engines.tflite.edgetpu_cycles import FACTORS, Layer, estimate_cycles, passes_of
from evaluators.engines.tflite.graph import Op, Tensor

MODELS = json.loads(Path(__file__).with_name("edgetpu_cycles.json").read_text())["models"]
PASSES = np.array([
    passes_of([Layer(kind, tuple(weights), tuple(output)) for kind, weights, output in m["layers"]])
    for m in MODELS
])  # fmt: skip
CYCLES = np.array([model["estimated_cycles"] for model in MODELS], dtype=float)


def fit(passes, cycles):
    """Return the factors of least squared relative error."""
    return np.linalg.lstsq(passes / cycles[:, None], np.ones(len(cycles)), rcond=None)[0]


def test_factors_are_the_fit_of_all_six():
    assert len(MODELS) == 6
    np.testing.assert_allclose(FACTORS, fit(PASSES, CYCLES), atol=5e-4)


@pytest.mark.parametrize("left_out", range(6), ids=[model["model"] for model in MODELS])
def test_each_is_met_within_10_percent_by_what_the_others_teach(left_out):
    others = np.arange(6) != left_out
    predicted = PASSES[left_out] @ fit(PASSES[others], CYCLES[others])
    assert abs(predicted / CYCLES[left_out] - 1) < 0.1


@pytest.mark.parametrize(
    ("layer", "convolution", "depthwise"),
    [
        (Layer("CONV_2D", (17, 3, 3, 5), (1, 9, 8, 17)), 3 * 2 * 2 * 9 * 2, 0),
        (Layer("CONV_2D", (257, 1, 1, 6), (1, 1, 1, 257)), 2 * 6 / 4, 0),
        (Layer("DEPTHWISE_CONV_2D", (1, 3, 3, 17), (1, 9, 8, 17)), 0, 3 * 2 * 2 * 9),
        (Layer("FULLY_CONNECTED", (10, 64), (1, 10)), 16, 0),
    ],
)
def test_passes_are_counted_by_tiles_channels_and_kernel(layer, convolution, depthwise):
    assert passes_of([layer]) == (convolution, depthwise)


def test_an_op_of_which_nothing_is_known_leaves_no_estimate():
    weights = Tensor((8, 3, 3, 8), "INT8", None, is_static=True)
    output = Tensor((1, 16, 16, 8), "INT8", None, is_static=True)
    op = Op("TRANSPOSE_CONV", "up", 1, [None, weights], [output], None)
    assert estimate_cycles([op]) is None
