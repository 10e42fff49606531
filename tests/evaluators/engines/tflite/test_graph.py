from __future__ import annotations

import numpy as np
import pytest

from evaluators.engines.tflite.graph import _label, read_graph
from tests.evaluators.engines.contract import tiny_net
from tests.evaluators.engines.tflite_models import float_folder, int8_folder


def graph(folder):
    return read_graph((folder / "model.tflite").read_bytes())


def test_ops_are_named_in_the_order_in_which_they_run():
    kinds = ["PAD", "CONV_2D", "CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"]
    assert [op.kind for op in graph(float_folder())] == kinds
    assert str(graph(float_folder())[3]) == "ADD '2'"


def test_constants_are_read_and_activations_are_not():
    op = graph(float_folder())[-1]
    weight = tiny_net()[-1].weight.detach().numpy()
    np.testing.assert_array_equal(op.inputs[1].constant, weight)
    assert op.inputs[0].constant is None
    assert [tensor.shape for tensor in op.activations()] == [(1, 8), (1, 4)]


def test_types_are_the_schemas_names():
    ops = graph(int8_folder())
    assert {tensor.type for op in ops for tensor in op.activations()} == {"INT8"}
    assert all(tensor.is_static for op in ops for tensor in op.activations())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (b"a.b.Net/torch.nn.modules.Sequential_stem/torch.nn.modules.Conv2d_0;1", "stem.0"),
        (b"io.ChannelLastIOWrapper/my.nets.Net_wrapped/torch.nn.Conv2d_conv_a", "conv_a"),
        (b"io.ChannelLastIOWrapper/my.nets.Net_wrapped;3", "Net"),
        (b"serving_default_output_0_output", "output_0_output"),
    ],
)
def test_label_is_where_in_the_model_the_op_is(name, label):
    assert _label(name) == label


def test_buffers_behind_the_flatbuffer_are_found():
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from torch import nn

    from tests.evaluators.engines.tflite_models import exported

    model = nn.Linear(512, 512)
    folder = exported(model, {"x": np.zeros((1, 512), np.float32)})
    tool = quantizer.Quantizer((folder / "model.tflite").read_bytes())
    tool.add_weight_only_config(
        ".*", qtyping.TFLOperationName.ALL_SUPPORTED, 16, algorithm_key=AlgorithmName.FLOAT_CASTING
    )
    content = bytes(tool.quantize(enable_progress_report=False).quantized_model)
    dequantize = next(op for op in read_graph(content) if op.kind == "DEQUANTIZE")
    weight = model.weight.detach().numpy().astype(np.float16)
    np.testing.assert_array_equal(dequantize.inputs[0].constant, weight)
