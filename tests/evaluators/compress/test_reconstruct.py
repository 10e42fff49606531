from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from evaluators.compress import reconstruct as reconstruct_module
from evaluators.compress.dense_targets import dense_targets
from evaluators.compress.prune import prune
from evaluators.compress.reconstruct import reconstruct
from evaluators.compress.sparsity_pattern import impose_pattern, pattern_masks


def block(channels_in, channels_out, *, bias, norm):
    layers = [nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias)]
    return [*layers, nn.BatchNorm2d(channels_out)] if norm else layers


class Residual(nn.Module):
    """Additions and a concatenation, then a linear layer."""

    def __init__(self, *, bias=True, norm=True):
        super().__init__()
        self.stem = nn.Sequential(*block(3, 32, bias=bias, norm=norm), nn.ReLU())
        self.inner = nn.Sequential(*block(32, 32, bias=bias, norm=norm), nn.ReLU())
        self.back = nn.Sequential(*block(32, 32, bias=bias, norm=norm))
        self.side = nn.Sequential(*block(3, 32, bias=bias, norm=norm))
        self.joined = nn.Sequential(*block(64, 64, bias=bias, norm=norm))
        self.head = nn.Linear(64, 5)

    def forward(self, image):
        x = self.stem(image)
        x = torch.relu(x + self.back(self.inner(x)))
        both = torch.cat([x, self.side(image)], 1)
        return self.head(torch.relu(self.joined(both)).mean((2, 3)))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(6, 32)
        self.hidden = nn.Linear(32, 64, bias=False)
        self.head = nn.Linear(64, 3)

    def forward(self, steps):
        return self.head(torch.relu(self.hidden(torch.relu(self.project(steps)))).mean(1))


def images(count, *, seed=0):
    random = np.random.default_rng(seed)
    low_rank = random.normal(size=(count, 3, 4, 4)).astype(np.float32)
    return [np.repeat(np.repeat(low_rank, 2, 2), 2, 3)]


def used(model, inputs):
    """Give BatchNorm statistics of the data, as training would."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        model.train()(*map(torch.from_numpy, inputs))
    return model.eval()


def cut(model, inputs, sparsity=0.5):
    names = [f"input{i}" for i in range(len(inputs))]
    example = {name: array[:1] for name, array in zip(names, inputs, strict=True)}
    student, report = prune(model, example, sparsity, importance="l2", round_to=8)
    return student, report.kept_channels


def error(student, model, inputs):
    with torch.no_grad():
        tensors = [torch.from_numpy(array) for array in inputs]
        wanted = model(*tensors)
        lost = (student(*tensors) - wanted).square().sum()
        return float(lost / (wanted - wanted.mean(0)).square().sum())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_a_pruned_net_comes_near_the_dense_one_on_new_data(bias, norm):
    torch.manual_seed(0)
    model = used(Residual(bias=bias, norm=norm), images(300))
    student, kept = cut(model, images(1))
    before = error(student, model, images(100, seed=1))
    report = reconstruct(student, dense_targets(model, images(300), seed=0), kept)
    assert error(student, model, images(100, seed=1)) < 0.5 * before
    # The stem and the side branch see the image itself, so nothing is wrong with them.
    assert set(report.treated) == {"inner.0", "back.0", "joined.0", "head"}
    assert report.left == {}
    assert all(layer.after < layer.before for layer in report.treated.values())
    assert not student.training


def test_redundant_channels_are_made_up_for_completely():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 4, 3)).eval()
    with torch.no_grad():  # each channel twice, the second one a little smaller
        for layer, dimensions in ((model[0], (1, 2, 3)), (model[2], (0, 2, 3))):
            layer.weight /= layer.weight.square().sum(dimensions, keepdim=True).sqrt()
        model[0].weight[16:] = model[0].weight[:16] * 0.9
        model[0].bias[16:] = model[0].bias[:16] * 0.9
    student, kept = cut(model, images(1))
    assert kept == {"0": list(range(16))}
    before = error(student, model, images(50, seed=1))
    reconstruct(student, dense_targets(model, images(200), seed=0), kept)
    assert before > 0.1
    assert error(student, model, images(50, seed=1)) < 0.01 * before


def test_the_mean_goes_into_a_batchnorm_behind_a_layer_without_bias():
    torch.manual_seed(0)
    model = used(Residual(bias=False), images(300))
    student, kept = cut(model, images(1))
    before = copy.deepcopy(student)
    reconstruct(student, dense_targets(model, images(300), seed=0), kept)
    norm, was = student.joined[1], before.joined[1]
    assert not torch.equal(norm.running_mean, was.running_mean)
    assert torch.equal(norm.running_var, was.running_var)


def test_what_survives_is_known_through_additions_and_concatenations():
    model = Residual().eval()
    student, kept = cut(model, images(1))
    for name, module in student.named_modules():
        if isinstance(module, nn.Conv2d):
            assert torch.equal(module.bias, model.get_submodule(name).bias[kept[name]])
    assert kept["stem.0"] == kept["back.0"]
    both = kept["stem.0"] + [32 + channel for channel in kept["side.0"]]
    expected = model.joined[0].weight[kept["joined.0"]][:, both]
    assert torch.equal(student.joined[0].weight, expected)


def test_linear_layers_on_tokens_are_treated():
    torch.manual_seed(0)
    model = Tokens().eval()
    steps = np.random.default_rng(0).normal(size=(100, 7, 6)).astype(np.float32)
    student, kept = cut(model, [steps])
    before = error(student, model, [steps])
    report = reconstruct(student, dense_targets(model, [steps], seed=0), kept)
    assert error(student, model, [steps]) < 0.7 * before
    assert "hidden" in report.treated


def test_depthwise_layers_keep_their_weights_and_are_named():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 1),
        nn.Conv2d(32, 32, 3, groups=32),
        nn.Conv2d(32, 4, 1),
    ).eval()
    student, kept = cut(model, images(1))
    before = student[1].weight.clone()
    report = reconstruct(student, dense_targets(model, images(100), seed=0), kept)
    assert report.left == {"1": "it is grouped or depthwise"}
    assert torch.equal(student[1].weight, before)
    assert "2" in report.treated


def test_a_layer_that_too_few_samples_would_spoil_stays_as_it_is_and_is_named():
    """Targets of pure noise can't be learned from so few samples; held-out ones show that."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 4)).eval()
    points = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    student, kept = cut(model, [points])
    dense = dense_targets(model, [points], seed=0)
    dense.layers["2"].values.normal_()
    with torch.no_grad():
        student[2].weight.zero_()
        student[2].bias.zero_()
        before = copy.deepcopy(student[2])
    report = reconstruct(student, dense, kept)
    assert "held-out samples would go from" in report.left["2"]
    assert "40 rows for 64 inputs" in report.left["2"]
    assert torch.equal(student[2].weight, before.weight)
    assert torch.equal(student[2].bias, before.bias)


def test_a_layer_whose_kept_channels_nobody_names_is_left():
    model = nn.Sequential(nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, 4, 1)).eval()
    student, _ = cut(model, images(1))
    before = student[0].weight.clone()
    report = reconstruct(student, dense_targets(model, images(50), seed=0), {})
    assert "which of its channels were kept" in report.left["0"]
    assert torch.equal(student[0].weight, before)


def test_the_same_targets_give_the_same_weights():
    torch.manual_seed(0)
    model = used(Residual(), images(100))
    student, kept = cut(model, images(1))
    other = copy.deepcopy(student)
    reconstruct(student, dense_targets(model, images(100), seed=4), kept)
    reconstruct(other, dense_targets(model, images(100), seed=4), kept)
    assert all(
        torch.equal(a, b) for a, b in zip(student.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_the_weights_that_a_pattern_keeps_make_up_for_its_zeros(sparsity):
    torch.manual_seed(0)
    model = used(Residual(bias=False), images(300))
    student, kept = cut(model, images(1), sparsity)
    dense = dense_targets(model, images(300), seed=0)
    reconstruct(student, dense, kept)
    impose_pattern(student)
    masks = pattern_masks(student)
    before = error(student, model, images(100, seed=1))
    report = reconstruct(student, dense, kept, masks)
    assert error(student, model, images(100, seed=1)) < 0.7 * before
    assert set(masks) == {"inner.0", "back.0", "joined.0", "head"} <= set(report.treated)
    for name, mask in masks.items():
        weight = student.get_submodule(name).weight
        assert not weight[~mask].any()
        assert weight[mask].all()


def test_a_layer_that_would_take_too_long_keeps_its_weights_and_is_named(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(reconstruct_module, "MOST_FLOPS", 5 * 32**3 / 3)  # the head, of 64 inputs
    model = used(Residual(), images(100))
    student = copy.deepcopy(model)
    impose_pattern(student)
    masks, before = pattern_masks(student), student.joined[0].weight.clone()
    report = reconstruct(student, dense_targets(model, images(100), seed=0), {}, masks)
    assert "head" in report.treated
    for name in ("inner.0", "back.0", "joined.0"):
        assert report.left[name] == "solving for each of its outputs would take too long"
    assert torch.equal(student.joined[0].weight, before)


def test_an_unpruned_model_stays_as_it_is():
    torch.manual_seed(0)
    model = used(Residual(), images(100))
    student = copy.deepcopy(model)
    report = reconstruct(student, dense_targets(model, images(100), seed=0), {})
    assert (report.treated, report.left) == ({}, {})
    assert all(
        torch.equal(a, b) for a, b in zip(student.parameters(), model.parameters(), strict=True)
    )
