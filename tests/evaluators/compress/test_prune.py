from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from evaluators.compress.prune import count_macs, load_compressed, prune, save_compressed
from evaluators.failures import CandidateRejected, InputError
from spaces.workload import output_tensors
from spaces.workloads.resnet import ResNet


def image(size=16):
    return {"image": np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)}


def pruned(model, inputs, sparsity=0.5, *, importance="l2", round_to=8):
    return prune(model, inputs, sparsity, importance=importance, round_to=round_to)


def outputs(model, inputs):
    with torch.no_grad():
        return output_tensors(model.eval()(*map(torch.from_numpy, inputs.values())))


def widths(report):
    return {name: len(kept) for name, kept in report.kept_channels.items()}


class TwoHeads(nn.Module):
    """Two inputs, a concatenation, grouped and depthwise convolutions, two outputs."""

    def __init__(self):
        super().__init__()
        self.images = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.GroupNorm(4, 32),
            nn.Conv2d(32, 32, 3, padding=1, groups=32),
            nn.Conv2d(32, 64, 3, padding=1, groups=4),
        )
        self.numbers = nn.Linear(5, 24)
        self.classes = nn.Linear(88, 10)
        self.box = nn.Linear(88, 4)

    def forward(self, image, numbers):
        joined = torch.cat([self.images(image).mean((2, 3)), self.numbers(numbers)], 1)
        return torch.softmax(self.classes(joined), 1), self.box(joined)


class Signal(nn.Module):
    """A 1-D net whose last layer isn't linear, and whose first is an embedding."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 32)
        self.inner = nn.Conv1d(32, 48, 3)
        self.last = nn.Conv1d(48, 4, 1)

    def forward(self, tokens):
        return self.last(self.inner(self.words(tokens).transpose(1, 2)).relu()).amax(2)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        self.project = nn.Linear(8, 64)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 5)

    def forward(self, steps):
        return self.head(self.encoder(self.project(steps)).mean(1))


class OwnAttention(nn.Module):
    def __init__(self, *, fused):
        super().__init__()
        self.fused = fused
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.qkv = nn.Linear(32, 96)
        self.project = nn.Linear(32, 32)
        self.hidden = nn.Linear(32, 64)
        self.back = nn.Linear(64, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        batch, count, wide = x.shape
        q, k, v = (
            self.qkv(x).reshape(batch, count, 3, 4, wide // 4).permute(2, 0, 3, 1, 4).unbind(0)
        )
        if self.fused:
            mixed = scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-1, -2), -1) @ v
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, count, wide))
        return self.head((x + self.back(self.hidden(x).relu())).mean(1))


class Stubborn(nn.Module):
    """Its code holds a width of its own."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(3, 32, 3)
        self.free = nn.Conv2d(3, 32, 3)
        self.head = nn.Linear(64, 4)

    def forward(self, image):
        scaled = self.inner(image) * torch.ones(1, 32, 1, 1)
        return self.head(torch.cat([scaled, self.free(image)], 1).mean((2, 3)))


ZOO = {
    "two_heads": (TwoHeads, image() | {"numbers": np.zeros((1, 5), np.float32)}),
    "signal": (Signal, {"tokens": np.arange(20)[None]}),
    "encoder": (
        Encoder,
        {"steps": np.random.default_rng(0).normal(size=(1, 7, 8)).astype(np.float32)},
    ),
    "resnet": (lambda: ResNet(1), image()),
}


@pytest.mark.parametrize("name", ZOO)
def test_any_model_keeps_its_outputs_and_loses_its_work(name):
    build, inputs = ZOO[name]
    torch.manual_seed(0)
    model = build()
    before = copy.deepcopy(model.state_dict())
    student, report = pruned(model, inputs)
    assert [o.shape for o in outputs(student, inputs)] == [o.shape for o in outputs(model, inputs)]
    assert report.macs_after < 0.6 * report.macs_before
    assert report.parameters_after < 0.7 * report.parameters_before
    assert 0.4 < report.channel_sparsity < 0.6
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.requires_grad for parameter in student.parameters())


@pytest.mark.parametrize("name", ZOO)
def test_a_saved_model_answers_the_same(name, tmp_path):
    build, inputs = ZOO[name]
    model = build()
    student, _ = pruned(model, inputs)
    save_compressed(student, tmp_path / "model.pt")
    loaded = load_compressed(model, tmp_path / "model.pt")
    for a, b in zip(outputs(student, inputs), outputs(loaded, inputs), strict=True):
        assert torch.equal(a, b)
    assert repr(loaded) == repr(student)
    assert not loaded.training


def test_the_file_holds_no_code(tmp_path):
    save_compressed(ResNet(1), tmp_path / "model.pt")
    assert set(torch.load(tmp_path / "model.pt", weights_only=True)) == {"tensors", "widths"}


def test_sparsity_0_changes_nothing():
    model = ResNet(1)
    student, report = pruned(model, image(), 0.0)
    assert torch.equal(outputs(student, image())[0], outputs(model.eval(), image())[0])
    assert (report.channel_sparsity, report.kept_channels) == (0, {})
    assert report.macs_after == report.macs_before


@pytest.mark.parametrize(
    ("sparsity", "round_to", "expected"),
    [
        (0.05, 8, (16, 32, 64)),
        (0.25, 8, (16, 24, 48)),
        (0.5, 8, (8, 16, 32)),
        (0.4, 8, (8, 16, 40)),
        (0.99, 8, (8, 8, 8)),
        (0.4, 16, (8, 16, 32)),
        (0.4, 1, (10, 19, 38)),
    ],
)
def test_widths_are_rounded_by_layer(sparsity, round_to, expected):
    student, _ = pruned(ResNet(1), image(), sparsity, round_to=round_to)
    stages = (student.stage1, student.stage2, student.stage3)
    assert tuple(stage[0].conv2.out_channels for stage in stages) == expected
    assert student.classifier.out_features == 10


def test_the_report_names_which_channels_survived():
    model = ResNet(1)
    student, report = pruned(model, image(), 0.5)
    kept = report.kept_channels
    assert kept["stem.0"] == kept["stage1.0.conv2"], "an addition couples them"
    rows = kept["stage2.0.conv1"]
    columns = kept["stem.0"]
    expected = model.stage2[0].conv1.weight[rows][:, columns]
    assert torch.equal(student.stage2[0].conv1.weight, expected)


@pytest.mark.parametrize("importance", ["l1", "l2", "bn_scale"])
def test_the_least_important_channels_go(importance):
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 4, 1)
    )
    weak = [1, 5, 8, 13, 14, 20, 30, 31]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
        model[1].weight[weak] = 0.1
        if importance != "bn_scale":
            model[0].weight[weak] = 0.1
    _, report = pruned(model, image(), 0.25, importance=importance)
    assert report.kept_channels == {"0": [c for c in range(32) if c not in weak]}


def test_bn_scale_falls_back_to_l2_without_batchnorm():
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    inputs = {"x": np.zeros((1, 4), np.float32)}
    by_scale, by_weight = (
        pruned(model, inputs, importance=name)[1].kept_channels for name in ("bn_scale", "l2")
    )
    assert by_scale == by_weight
    assert len(by_scale["0"]) == 16


def test_every_attention_head_loses_equally_many_dimensions():
    _, report = pruned(Encoder(), ZOO["encoder"][1])
    heads = np.bincount(np.array(report.kept_channels["project"]) // 16)
    assert heads.tolist() == [8, 8, 8, 8]


@pytest.mark.parametrize("fused", [True, False])
def test_attention_of_the_models_own_code_stays_whole(fused):
    _, report = pruned(OwnAttention(fused=fused), image())
    assert widths(report) == {"hidden": 32}


def test_groups_have_sparsities_of_their_own():
    _, report = pruned(ResNet(3), image(), {"stage1": 0.5, "stage3": 0.25, "stage3.0": 0.5})
    assert widths(report) == {
        "stem.0": 8,
        **{f"stage1.{block}.conv{layer}": 8 for block in range(3) for layer in (1, 2)},
        "stage3.0.conv1": 32,
        "stage3.0.conv2": 48,
        "stage3.0.shortcut": 48,
        **{f"stage3.{block}.conv{layer}": 48 for block in (1, 2) for layer in (1, 2)},
    }


@pytest.mark.parametrize("prefix", ["stage9", "stage", "classifier"])
def test_an_unknown_group_is_refused_with_those_there_are(prefix):
    with pytest.raises(InputError, match=rf"but got '{prefix}'. This model has .*stage") as caught:
        pruned(ResNet(1), image(), {prefix: 0.5})
    assert "classifier" not in caught.value.reason.split("This model has")[1]


def test_a_model_that_holds_its_own_widths_is_rejected_unless_left_out():
    with pytest.raises(CandidateRejected, match="must leave a model that runs"):
        pruned(Stubborn(), image())
    _, report = pruned(Stubborn(), image(), {"free": 0.5})
    assert widths(report) == {"free": 16}


def test_a_model_without_prunable_layers_is_refused():
    with pytest.raises(InputError, match="needs a layer that can lose channels"):
        pruned(nn.Sequential(nn.Conv2d(3, 8, 1)), image())


def test_recurrent_layers_are_refused():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRU(4, 8, batch_first=True)

        def forward(self, x):
            return self.cell(x)[0]

    with pytest.raises(InputError, match=r"'cell' is an nn\.GRU"):
        pruned(Recurrent(), {"x": np.zeros((1, 5, 4), np.float32)})


def test_frozen_layers_are_pruned_too():
    model = ResNet(1).requires_grad_(False)
    _, report = pruned(model, image())
    assert report.channel_sparsity > 0.4


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan"), {"stage1": 1.5}])
def test_sparsity_is_a_fraction(sparsity):
    with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\), but got"):
        pruned(ResNet(1), image(), sparsity)


def test_importance_is_one_of_three():
    with pytest.raises(ValueError, match="importance must be l2, l1, bn_scale, but got 'l3'"):
        pruned(ResNet(1), image(), importance="l3")


def test_macs_count_matrix_products_of_attention():
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()

    class Alone(nn.Module):
        def __init__(self):
            super().__init__()
            self.attend = layer

        def forward(self, x):
            return self.attend(x, x, x, need_weights=False)[0]

    # 5 steps of width 8: four 8x8 projections, then queries by keys and weights by values.
    assert count_macs(Alone().eval(), (torch.zeros(1, 5, 8),)) == 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8
