from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evaluators.compress import dense_targets as module
from evaluators.compress.dense_targets import dense_targets


class Odd(nn.Module):
    """One of each layer that can't be treated, and BatchNorms that follow or don't."""

    def __init__(self):
        super().__init__()
        self.followed = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.branched = nn.Conv2d(8, 8, 1, bias=False)
        self.norm_of_branched = nn.BatchNorm2d(8)
        self.added = nn.Conv2d(8, 8, 1, bias=False)
        self.norm_of_sum = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.twice = nn.Conv2d(8, 8, 1)
        self.back = nn.ConvTranspose2d(8, 8, 2)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
        self.tied, self.tied_too = nn.Linear(8, 8), nn.Linear(8, 8)
        self.tied_too.weight = self.tied.weight
        self.never = nn.Linear(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, image):
        x = self.norm(self.followed(image)).relu()
        y = self.branched(x)
        x = self.norm_of_branched(y) + y
        x = self.norm_of_sum(x + self.added(x))
        x = self.back(self.twice(self.twice(self.depthwise(x))))
        tokens = x.flatten(2).transpose(1, 2)
        tokens = self.attend(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(self.tied_too(self.tied(self.normed(tokens.mean(1)))))


def images(count=20):
    return [np.random.default_rng(0).normal(size=(count, 3, 6, 6)).astype(np.float32)]


def test_layers_that_are_no_linear_map_of_one_input_are_named():
    found = dense_targets(Odd().eval(), images(), seed=0)
    assert set(found.layers) == {"followed", "branched", "added", "head"}
    for name, why in {
        "depthwise": "grouped or depthwise",
        "twice": "called 2 times",
        "back": "ConvTranspose2d isn't treated",
        "attend.out_proj": "isn't called as a layer",
        "normed": "computed from other parameters",
        "tied": "shared",
        "tied_too": "shared",
        "never": "isn't called as a layer",
    }.items():
        assert why in found.left[name]


def test_only_a_batchnorm_that_alone_reads_a_layer_takes_its_mean():
    layers = dense_targets(Odd().eval(), images(), seed=0).layers
    assert {name: layer.norm for name, layer in layers.items()} == {
        "followed": "norm",
        "branched": None,
        "added": None,
        "head": None,
    }


def test_targets_are_the_layers_outputs_at_the_positions():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(inplace=True)).eval()
    found = dense_targets(model, images(), seed=0)
    layer = found.layers["0"]
    with torch.no_grad():
        outputs = model[0](torch.from_numpy(images()[0])).movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(layer.values, outputs[layer.positions])
    assert found.samples == 20
    assert (layer.is_held_out == (layer.positions >= 16 * 16)).all(), "16 of 20 images are fitted"


def test_the_seed_decides_which_positions(monkeypatch):
    monkeypatch.setattr(module, "MOST_POSITIONS", 50)
    model = nn.Conv2d(3, 5, 3).eval()
    first, again, other = (dense_targets(model, images(), seed=s).layers[""] for s in (1, 1, 2))
    assert torch.equal(first.positions, again.positions)
    assert not torch.equal(first.positions, other.positions)
    assert len(first.values) == 50


@pytest.mark.parametrize(
    ("limit", "value", "samples", "rows"),
    [("ACTIVATION_BYTES", 5 * 4 * 4 * 5 * 4, 3, 48), ("TARGET_BYTES", 4 * 5 * 30, 20, 30)],
)
def test_memory_is_bounded(monkeypatch, limit, value, samples, rows):
    monkeypatch.setattr(module, limit, value)
    model = nn.Conv2d(3, 5, 3).eval()
    found = dense_targets(model, images(), seed=0)
    assert (found.samples, len(found.layers[""].values)) == (samples, rows)


def test_no_hook_is_left():
    model = Odd().eval()
    dense_targets(model, images(), seed=0)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
