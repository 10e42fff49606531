from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from evaluators.engines.litert import ENGINE
from evaluators.engines.tflite.graph import read_graph
from evaluators.export.tflite_from_torch import export_tflite
from evaluators.failures import CandidateRejected
from tests.evaluators.engines.contract import tiny_images, tiny_net, torch_outputs
from tests.evaluators.engines.tflite_models import (
    encoder,
    encoder_folder,
    exported,
    float_folder,
    tokens,
)

FLAGS = {"threads": 1, "xnnpack": True}


def answers(folder, inputs):
    with ENGINE.open(folder, "model.tflite", "fp32", FLAGS) as session:
        return session.decode(session.infer(session.prepare(inputs)))


def assert_agrees(model, example, inputs, atol=1e-5):
    folder = exported(model, example)
    ours, theirs = answers(folder, inputs), torch_outputs(model, *inputs)
    assert [output.shape for output in ours] == [output.shape for output in theirs]
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=0, atol=atol)
    return folder


def described(folder):
    return json.loads((folder / "io.json").read_text())


def kinds(folder):
    return [op.kind for op in read_graph((folder / "model.tflite").read_bytes())]


def test_image_is_taken_channel_last_without_a_transpose():
    assert described(float_folder()) == {
        "inputs": [
            {"name": "args_0", "position": 0, "channel_last": True, "dtype": "float32"},
        ],
        "outputs": [{"name": "output_0", "position": 0, "channel_last": False}],
    }
    assert "TRANSPOSE" not in kinds(float_folder())


def test_batch_size_is_the_examples():
    assert_agrees(tiny_net(), {"image": tiny_images(3)}, [tiny_images(3, 1)])


class Segmenter(nn.Module):
    """Two outputs: a map, channel-last in the file, and a vector."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.map = nn.Conv2d(8, 5, 1)

    def forward(self, image):
        hidden = torch.relu(self.stem(image))
        return self.map(hidden), hidden.mean((2, 3))


def test_maps_come_back_in_the_models_own_layout():
    folder = assert_agrees(Segmenter(), {"image": tiny_images(1)}, [tiny_images(1, 1)])
    assert [entry["channel_last"] for entry in described(folder)["outputs"]] == [True, False]


def test_signal_of_one_dimension():
    model = nn.Sequential(
        nn.Conv1d(6, 8, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()
    )
    signal = np.random.default_rng(0).normal(size=(1, 6, 32)).astype(np.float32)
    folder = assert_agrees(model, {"signal": np.zeros_like(signal)}, [signal])
    assert described(folder)["inputs"][0]["channel_last"] is False


def test_encoder_of_token_ids_and_mask():
    folder = encoder_folder()
    (ours,), (theirs,) = answers(folder, tokens(1)), torch_outputs(encoder(), *tokens(1))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert [entry["dtype"] for entry in described(folder)["inputs"]] == ["int32", "int32"]


class Shuffled(nn.Module):
    """Inputs of which one goes unused, outputs of which two are the same and one an input."""

    def forward(self, first, unused, third):
        return third + 1, first * 2, third + 1, first


def test_inputs_and_outputs_keep_their_order():
    arrays = [np.full((1, size), size, np.float32) for size in (4, 5, 6)]
    example = dict(zip("abc", (array * 0 for array in arrays), strict=True))
    assert_agrees(Shuffled(), example, arrays)


def test_model_is_exported_in_eval_mode(tmp_path):
    model = nn.Sequential(nn.Dropout(0.9), nn.Linear(8, 2)).train()
    assert_agrees(model, {"x": np.zeros((1, 8), np.float32)}, [np.ones((1, 8), np.float32)])


class Decomposed(nn.Module):
    def forward(self, x):
        return torch.linalg.svd(x)[1]


class Branching(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("model", "dtype", "reason"),
    [
        (
            Decomposed(),
            np.float32,
            r"op aten\._linalg_svd\.default has no LiteRT form \(Lowering not",
        ),
        (Branching(), np.float32, r"the model has no LiteRT form \(Could not guard on data-dep"),
        (nn.Linear(4, 2).double(), np.float64, r"op tfl\.batch_matmul has no LiteRT form"),
    ],
)
def test_rejection_names_the_op_in_one_line(model, dtype, reason, tmp_path):
    with pytest.raises(CandidateRejected, match=reason) as caught:
        export_tflite(model, {"x": np.ones((1, 4, 4), dtype)}, tmp_path)
    assert "\n" not in caught.value.reason
    assert not list(tmp_path.iterdir())
