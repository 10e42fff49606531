"""Real .tflite folders for the tests of everything that eats TFLite; conversion costs seconds."""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from torch import nn

from evaluators.export.tflite_from_torch import export_tflite
from evaluators.quantize import tflite_int8
from tests.evaluators.engines.contract import tiny_images, tiny_net


@cache
def float_folder() -> Path:
    """Return the tiny net's fp32 folder, batch size 1."""
    return exported(tiny_net(), {"image": tiny_images(1)})


@cache
def int8_folder() -> Path:
    return quantized(float_folder(), [[tiny_images(1, seed)] for seed in range(16)])


@cache
def leaky_folder() -> Path:
    """Return an int8 folder with an op in the middle that stays float."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(), nn.Conv2d(8, 4, 3))
    return quantized(exported(model, {"image": tiny_images(1)}), [[tiny_images(1)]])


def new_folder() -> Path:
    """Return an empty folder that lives as long as the process, like what is cached above."""
    folder = Path(mkdtemp(prefix="tflite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def exported(model: nn.Module, example: dict[str, np.ndarray]) -> Path:
    folder = new_folder()
    export_tflite(model, example, folder)
    return folder


def quantized(source: Path, calibration: list[list[np.ndarray]]) -> Path:
    folder = new_folder()
    tflite_int8.quantize(source, calibration, {}, folder)
    return folder


class Encoder(nn.Module):
    """A small transformer encoder: token ids and their mask -> three classes."""

    def __init__(self, width: int = 32, length: int = 8):
        super().__init__()
        self.embed = nn.Embedding(50, width)
        self.position = nn.Parameter(torch.randn(length, width) * 0.1)
        layer = nn.TransformerEncoderLayer(width, 4, 64, batch_first=True, dropout=0.0)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 3)

    def forward(self, ids, mask):
        hidden = self.layers(self.embed(ids) + self.position, src_key_padding_mask=mask == 0)
        weights = mask.unsqueeze(-1).float()
        return self.head((hidden * weights).sum(1) / weights.sum(1))


def encoder() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Encoder().eval()


@cache
def encoder_folder() -> Path:
    ids, mask = tokens(0)
    return exported(encoder(), {"ids": ids, "mask": mask})


def tokens(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 50, (1, 8))
    mask = (np.arange(8) < rng.integers(3, 9))[None].astype(np.int64)
    return [ids, mask]
