from __future__ import annotations

import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from evaluators.engines.litert import ENGINE
from evaluators.engines.tflite.edgetpu_ops import refusal_of
from evaluators.engines.tflite.graph import read_graph
from evaluators.failures import CandidateRejected, InputError
from evaluators.quantize import EXPORTED_FORMS, load_quantizer, tflite_int8
from tests.evaluators.engines.contract import tiny_images, tiny_net, torch_outputs
from tests.evaluators.engines.tflite_models import (
    encoder,
    encoder_folder,
    exported,
    float_folder,
    int8_folder,
    quantized,
    tokens,
)

FLAGS = {"threads": 1, "xnnpack": True}


def answers(folder, batches):
    with ENGINE.open(folder, "model.tflite", "int8", FLAGS) as session:
        return np.stack([session.decode(session.infer(session.prepare(b)))[0] for b in batches])


def signal_to_noise_db(signal, noisy):
    return 10 * np.log10((signal**2).sum() / ((signal - noisy) ** 2).sum())


def ops_of(folder):
    return read_graph((folder / "model.tflite").read_bytes())


def float_ops(folder):
    return json.loads((folder / "io.json").read_text())["float_ops"]


def test_is_a_form_made_from_what_export_writes():
    quantizer = load_quantizer("tflite_int8")
    assert quantizer.SOURCE in EXPORTED_FORMS
    assert dict(quantizer.SETTINGS) == {}


def test_answers_stay_close_to_the_float_model():
    batches = [[tiny_images(1, seed)] for seed in range(100, 120)]
    theirs = np.stack([torch_outputs(tiny_net(), *batch)[0] for batch in batches])
    assert signal_to_noise_db(theirs, answers(int8_folder(), batches)) > 30


def test_everything_is_int8_inputs_and_outputs_too():
    ops = ops_of(int8_folder())
    assert {tensor.type for op in ops for tensor in op.activations()} == {"INT8"}
    assert float_ops(int8_folder()) == []


def test_op_versions_are_those_of_int8():
    versions = {op.kind: op.version for op in ops_of(int8_folder())}
    assert versions == {"PAD": 2, "CONV_2D": 3, "ADD": 2, "MEAN": 2, "FULLY_CONNECTED": 4}


def test_dense_weights_are_per_tensor_and_convolutions_per_channel():
    model = schema.ModelT.InitFromPackedBuf((int8_folder() / "model.tflite").read_bytes(), 0)
    tensors = model.subgraphs[0].tensors
    scales = [
        len(tensors[op.inputs[1]].quantization.scale)
        for op in model.subgraphs[0].operators
        if len(op.inputs) == 3
    ]
    assert scales == [8, 8, 1]


def test_ranges_are_true_minima_and_maxima(tmp_path):
    quiet, loud = tiny_images(1) * 0.01, np.full((1, 3, 16, 16), 5, np.float32)
    loud[0, 0, 0, 0] = -3
    folder = quantized(float_folder(), [[loud], *[[quiet]] * 20])
    with ENGINE.open(folder, "model.tflite", "int8", FLAGS) as session:
        low, high = ([[np.full((1, 3, 16, 16), v, np.float32)]] for v in (-3, 5))
        assert session.prepare(low[0])[0].max() <= -127
        assert session.prepare(high[0])[0].min() >= 126


class Wide(nn.Module):
    """More than 256 KB of weights, which the quantizer keeps behind the flatbuffer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(600, 600), nn.ReLU(), nn.Linear(600, 4))

    def forward(self, x):
        return self.layers(x)


def test_large_buffers_lie_inside_the_flatbuffer():
    rng = np.random.default_rng(0)
    batches = [[rng.normal(size=(1, 600)).astype(np.float32)] for _ in range(4)]
    folder = quantized(exported(Wide(), {"x": batches[0][0]}), batches)
    content = (folder / "model.tflite").read_bytes()
    buffers = schema.ModelT.InitFromPackedBuf(content, 0).buffers
    assert all(buffer.offset == 0 for buffer in buffers)
    assert max(len(b.data) for b in buffers if b.data is not None) == 600 * 600


def test_masked_tokens_get_no_attention():
    model = encoder()
    folder = quantized(encoder_folder(), [tokens(seed) for seed in range(1, 30)])
    batches = [tokens(seed) for seed in range(100, 120)]
    theirs = np.stack([torch_outputs(model, *batch)[0] for batch in batches])
    # With the mask's infinities left in, as the quantizer leaves them: 9 dB.
    assert signal_to_noise_db(theirs, answers(folder, batches)) > 18
    assert float_ops(folder)[0] == "EMBEDDING_LOOKUP 'embed'"
    assert (
        next(op for op in ops_of(folder) if op.kind == "EMBEDDING_LOOKUP").inputs[1].type == "INT8"
    )


def pooled(*layers):
    model = nn.Sequential(*layers, nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 2, 3)).eval()
    batches = [[tiny_images(1, seed)] for seed in range(8)]
    folder = quantized(exported(model, {"image": tiny_images(1)}), batches)
    theirs = np.stack([torch_outputs(model, *batch)[0] for batch in batches])
    return folder, signal_to_noise_db(theirs, answers(folder, batches))


def test_padded_pooling_after_a_relu_pads_with_zero():
    folder, quality_db = pooled(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert [op.kind for op in ops_of(folder)] == ["CONV_2D", "PAD", "MAX_POOL_2D", "CONV_2D"]
    assert quality_db > 28
    assert refusal_of(ops_of(folder), 0) is None


def test_padded_pooling_of_what_can_be_negative_does_not():
    folder, quality_db = pooled(nn.Conv2d(3, 4, 3))
    assert [op.kind for op in ops_of(folder)] == ["CONV_2D", "PADV2", "MAX_POOL_2D", "CONV_2D"]
    assert quality_db > 28


def test_map_of_several_outputs_and_a_larger_batch():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 2, 1)

        def forward(self, image):
            hidden = self.stem(image)
            return self.head(hidden), hidden

    model = TwoHeads().eval()
    folder = quantized(
        exported(model, {"image": tiny_images(2)}), [[tiny_images(2, s)] for s in range(4)]
    )
    with ENGINE.open(folder, "model.tflite", "int8", FLAGS) as session:
        ours = session.decode(session.infer(session.prepare([tiny_images(2, 1)])))
    for our, their in zip(ours, torch_outputs(model, tiny_images(2, 1)), strict=True):
        assert our.shape == their.shape
        assert signal_to_noise_db(their, our) > 25


def test_island_of_float_is_named_and_still_runs(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.1), nn.Conv2d(4, 2, 3)).eval()
    folder = quantized(exported(model, {"image": tiny_images(1)}), [[tiny_images(1)]])
    assert float_ops(folder) == ["LEAKY_RELU '1'"]
    compiled = ENGINE.compile(folder, "int8", FLAGS, tmp_path)
    assert compiled.notes == [
        "1 ops have no int8 form in the quantizer and stay float: LEAKY_RELU '1'."
    ]
    batches = [[tiny_images(1)]]
    theirs = torch_outputs(model, *batches[0])[0]
    assert signal_to_noise_db(theirs, answers(folder, batches)[0]) > 25


def test_model_that_stays_float_throughout_is_rejected(tmp_path):
    source = exported(nn.LeakyReLU(), {"x": np.ones((1, 4), np.float32)})
    with pytest.raises(CandidateRejected, match=r"none has .LEAKY_RELU"):
        tflite_int8.quantize(source, [[np.ones((1, 4), np.float32)]], {}, tmp_path)


def test_calibration_set_must_not_be_empty(tmp_path):
    with pytest.raises(InputError, match="at least one full calibration batch"):
        tflite_int8.quantize(float_folder(), [], {}, tmp_path)


def test_calibration_of_another_shape_is_rejected_in_one_line(tmp_path):
    with pytest.raises(CandidateRejected, match="must be able to quantize the model") as caught:
        tflite_int8.quantize(float_folder(), [[np.ones((1, 5, 16, 16), np.float32)]], {}, tmp_path)
    assert "\n" not in caught.value.reason
