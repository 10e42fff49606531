from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from evaluators.engines.tflite.edgetpu_ops import count_cpu_ops, refusal_of, unmapped_ops
from evaluators.engines.tflite.graph import Op, Tensor, read_graph
from tests.evaluators.engines.contract import tiny_images
from tests.evaluators.engines.tflite_models import exported, int8_folder, quantized


def flowing(*shape, kind="INT8", is_static=True):
    return Tensor(shape, kind, None, is_static)


def constant(values, kind="INT32"):
    array = np.asarray(values)
    return Tensor(array.shape, kind, array, is_static=True)


def op(kind, inputs, *outputs, version=1, **options):
    plain = {"fusedActivationFunction": 0, "dilationWFactor": 1, "dilationHFactor": 1}
    masks = {"ellipsisMask": 0, "newAxisMask": 0}
    return Op(
        kind,
        "x",
        version,
        inputs,
        list(outputs),
        SimpleNamespace(**plain, **masks)
        if not options
        else SimpleNamespace(**{**plain, **masks, **options}),
    )


IMAGE = flowing(1, 8, 8, 4)
FILTER = constant(np.ones((4, 3, 3, 4), np.int8), "INT8")
BIAS = constant(np.zeros(4, np.int32))
VECTOR = flowing(1, 10)

MAPPED = {
    "convolution": op("CONV_2D", [IMAGE, FILTER, BIAS], IMAGE, version=3),
    "equal dilation": op(
        "CONV_2D", [IMAGE, FILTER, BIAS], IMAGE, dilationWFactor=2, dilationHFactor=2
    ),
    "no bias": op("CONV_2D", [IMAGE, FILTER, None], IMAGE, version=3),
    "transposed convolution": op("TRANSPOSE_CONV", [BIAS, FILTER, IMAGE], IMAGE, version=3),
    "dense": op("FULLY_CONNECTED", [VECTOR, FILTER, BIAS], VECTOR),
    "mean over x and y": op("MEAN", [IMAGE, constant([1, 2])], flowing(1, 4)),
    "mean with axes from the back": op("MEAN", [IMAGE, constant([-3, -2])], flowing(1, 4)),
    "padding of x and y": op("PAD", [IMAGE, constant([[0, 0], [1, 1], [1, 1], [0, 0]])], IMAGE),
    "softmax": op("SOFTMAX", [VECTOR], VECTOR),
    "concatenation": op("CONCATENATION", [IMAGE, IMAGE], IMAGE),
    "zero padding": op("CONCATENATION", [IMAGE, constant(np.zeros((1, 8, 8, 4)), "INT8")], IMAGE),
    "requantize": op("QUANTIZE", [IMAGE], IMAGE, version=1),
    "squeeze of leading ones": op("SQUEEZE", [flowing(1, 1, 5, 10)], flowing(5, 10)),
    "slice": op("STRIDED_SLICE", [IMAGE, BIAS, BIAS, constant([1, 1, 1, 1])], IMAGE),
    "sum over y": op("SUM", [IMAGE, constant([1])], IMAGE),
    "split of channels": op("SPLIT", [constant(3), IMAGE], IMAGE, IMAGE),
    "one alpha a channel": op("PRELU", [IMAGE, constant([[[1, 2, 3, 4]]], "INT8")], IMAGE),
}

UNMAPPED = {
    "not an Edge TPU op": op("HARD_SWISH", [IMAGE], IMAGE),
    "works on FLOAT32": op("ADD", [flowing(1, 4, kind="FLOAT32"), VECTOR], VECTOR),
    "works on INT32, and": op("RESHAPE", [flowing(1, 4, kind="INT32")], VECTOR),
    "shape is dynamic": op("ADD", [flowing(1, 4, is_static=False), VECTOR], VECTOR),
    r"batch size must be 1": op("ADD", [flowing(2, 8, 8, 4), IMAGE], IMAGE),
    r"\(1, 2, 3, 4, 5\) has more than its three": op("RESHAPE", [IMAGE], flowing(1, 2, 3, 4, 5)),
    "version 6 of the op, a grouped": op("CONV_2D", [IMAGE, FILTER, BIAS], IMAGE, version=6),
    "version 4 of the op, and": op("TRANSPOSE_CONV", [BIAS, FILTER, IMAGE], IMAGE, version=4),
    "version 3 of the op, and the compiler knows 2": op("QUANTIZE", [IMAGE], IMAGE, version=3),
    "filter or bias isn't constant": op("CONV_2D", [IMAGE, IMAGE, BIAS], IMAGE),
    "filter or bias isn't": op("FULLY_CONNECTED", [VECTOR, VECTOR, BIAS], VECTOR),
    "filter or": op("TRANSPOSE_CONV", [BIAS, IMAGE, IMAGE], IMAGE),
    "dilation must be the same": op("CONV_2D", [IMAGE, FILTER, BIAS], IMAGE, dilationWFactor=2),
    "a dilated depthwise": op("DEPTHWISE_CONV_2D", [IMAGE, FILTER, BIAS], IMAGE, dilationWFactor=2),
    r"output \(3, 10\) must be one-dim": op("FULLY_CONNECTED", [VECTOR, FILTER], flowing(3, 10)),
    "has a fused activation": op("MAX_POOL_2D", [IMAGE], IMAGE, fusedActivationFunction=1),
    "has a fused": op("CONCATENATION", [IMAGE, IMAGE], IMAGE, fusedActivationFunction=1),
    "not the zeros of a padding": op("CONCATENATION", [IMAGE, constant([[1]], "INT8")], IMAGE),
    r"\(3, 10\) must be one-dimensional, with": op("SOFTMAX", [flowing(3, 10)], flowing(3, 10)),
    "with at most 16000": op("SOFTMAX", [flowing(1, 16001)], flowing(1, 16001)),
    "x and y only, not over axis 3": op("MEAN", [IMAGE, constant([1, 3])], IMAGE),
    "pad x and y only, not axis 3": op(
        "PAD", [IMAGE, constant([[0, 0], [1, 1], [0, 0], [0, 2]])], IMAGE
    ),
    "padding isn't constant": op("PAD", [IMAGE, VECTOR], IMAGE),
    "reduces the batch": op("REDUCE_MAX", [IMAGE, constant([0])], IMAGE),
    "splits the batch": op("SPLIT", [constant(0), IMAGE], IMAGE),
    "drop leading dimensions": op("SQUEEZE", [flowing(5, 1, 10)], flowing(5, 10)),
    "strides must all be 1": op(
        "STRIDED_SLICE", [IMAGE, BIAS, BIAS, constant([1, 2, 1, 1])], IMAGE
    ),
    "neither an ellipsis": op(
        "STRIDED_SLICE", [IMAGE, BIAS, BIAS, constant([1])], IMAGE, newAxisMask=1
    ),
    "alpha must be one-dimensional": op(
        "PRELU", [IMAGE, constant(np.ones((8, 8, 4)), "INT8")], IMAGE
    ),
}


@pytest.mark.parametrize("case", MAPPED)
def test_op_maps(case):
    assert unmapped_ops([MAPPED[case]]) == []


@pytest.mark.parametrize("reason", UNMAPPED)
def test_op_does_not_map(reason):
    (unmapped,) = unmapped_ops([UNMAPPED[reason]])
    assert re.search(reason, unmapped.reason)


def test_everything_after_the_first_unmapped_op_runs_on_the_cpu():
    ops = [
        MAPPED["convolution"],
        MAPPED["softmax"],
        UNMAPPED["shape is dynamic"],
        MAPPED["dense"],
        UNMAPPED["not an Edge TPU op"],
    ]
    assert count_cpu_ops(ops, unmapped_ops(ops)) == 3
    assert count_cpu_ops(ops[:2], unmapped_ops(ops[:2])) == 0


def test_refusal_gives_rule_value_and_remedy():
    ops = [MAPPED["convolution"], UNMAPPED["not an Edge TPU op"], MAPPED["dense"]]
    assert refusal_of(ops, 0) == (
        "int8 on edgetpu: every op must map to the Edge TPU, but HARD_SWISH 'x': not an Edge TPU "
        "op; 2 of 3 ops would run on the CPU. Use nn.ReLU6 instead, or allow it with "
        "edgetpu.max_cpu_ops: 2."
    )
    assert refusal_of(ops, 1) is not None
    assert refusal_of(ops, 2) is None


def test_refusal_names_three_ops_and_counts_the_rest():
    refusal = refusal_of([UNMAPPED["not an Edge TPU op"]] * 5, 0)
    assert refusal.count("HARD_SWISH") == 3
    assert "(and 2 more)" in refusal


def graph(model, batch=1):
    folder = exported(model, {"image": tiny_images(batch)})
    calibration = [[tiny_images(batch, seed)] for seed in range(2)]
    return read_graph((quantized(folder, calibration) / "model.tflite").read_bytes())


def head(channels):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))


def test_resnet_maps_fully():
    assert refusal_of(read_graph((int8_folder() / "model.tflite").read_bytes()), 0) is None


def test_island_of_float_is_named_not_the_dequantize_before_it():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(0.1), head(8))
    refusal = refusal_of(graph(model), 0)
    assert "but LEAKY_RELU '1': not an Edge TPU op; " in refusal
    assert "Use nn.ReLU instead" in refusal


def test_activations_without_an_edge_tpu_form_are_named():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Hardswish(), nn.Conv2d(8, 8, 3), nn.GELU(), head(8)
    )
    refusal = refusal_of(graph(model), 0)
    assert "HARD_SWISH '1'" in refusal
    assert "GELU '3'" in refusal


def test_grouped_convolution_and_resize_over_a_batch_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2), head(8))
    assert "CONV_2D '1': version 6 of the op, a grouped convolution" in refusal_of(graph(model), 0)
    model = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 8, 3), head(8))
    assert "RESIZE_NEAREST_NEIGHBOR '0': shape (2, 16, 16, 3) has more" in refusal_of(
        graph(model, batch=2), 0
    )
