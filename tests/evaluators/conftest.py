"""Three small models as every converter and engine meets them, exported once a session.

An image network, a 1-D one for signals, and a transformer encoder with two inputs of two types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
nn = torch.nn

BATCHES = 8


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(8, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(40, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, token_ids, mask):
        hidden = self.layers(self.embedding(token_ids), src_key_padding_mask=mask < 0.5)
        total = (hidden * mask[..., None]).sum(1)
        return self.head(total / mask.sum(1, keepdim=True))


def conv_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        Residual(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


def signal_net():
    return nn.Sequential(
        nn.Conv1d(2, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv1d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(64, 4),
    )


class SmallModel(NamedTuple):
    """A module, some batches of inputs by name, and the folder its ``model.onnx`` lies in."""

    name: str
    module: nn.Module
    batches: list[dict[str, np.ndarray]]
    folder: Path

    def inputs(self, index=0):
        return list(self.batches[index].values())

    @property
    def calibration(self):
        return [list(batch.values()) for batch in self.batches]

    def expected(self, index=0):
        with torch.inference_mode():
            return self.module(*map(torch.tensor, self.inputs(index))).numpy()


def _batch(name, rng):
    if name == "conv":
        return {"image": rng.standard_normal((2, 3, 16, 16)).astype(np.float32)}
    if name == "signal":
        return {"signal": rng.standard_normal((2, 2, 32)).astype(np.float32)}
    mask = np.ones((2, 8), np.float32)
    mask[1, 5:] = 0
    return {"token_ids": rng.integers(0, 40, (2, 8)), "mask": mask}


def _build(name, folder):
    from evaluators.export.onnx_from_torch import export_onnx

    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    module = {"conv": conv_net, "signal": signal_net, "encoder": Encoder}[name]().eval()
    model = SmallModel(name, module, [_batch(name, rng) for _ in range(BATCHES)], folder)
    export_onnx(module, model.batches[0], folder)
    return model


@pytest.fixture(scope="session")
def small_models(tmp_path_factory):
    """Build each model at most once: ``small_models("conv")``."""
    built = {}

    def get(name):
        if name not in built:
            built[name] = _build(name, tmp_path_factory.mktemp(name))
        return built[name]

    return get


@pytest.fixture(params=["conv", "signal", "encoder"])
def small_model(request, small_models):
    return small_models(request.param)


@pytest.fixture
def conv_model(small_models):
    return small_models("conv")


@pytest.fixture(scope="session")
def sqnr_db():
    """Return the ratio of signal to quantization noise in decibels."""

    def ratio(expected, actual):
        noise = np.sum((expected - actual) ** 2, dtype=np.float64)
        return 10 * np.log10(np.sum(expected**2, dtype=np.float64) / noise)

    return ratio


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory):
    """Export the net of the engine contract, batch size 1."""
    from evaluators.export.onnx_from_torch import export_onnx
    from tests.evaluators.engines.contract import tiny_images, tiny_net

    folder = tmp_path_factory.mktemp("tiny")
    export_onnx(tiny_net(), {"image": tiny_images(1)}, folder)
    return folder
