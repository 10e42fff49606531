from __future__ import annotations

import copy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from evaluators.compress.sparsity_pattern import impose_pattern, pattern_held, pattern_masks
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.quantize import load_quantizer


def in_twos_of_four(weight, axis=1):
    """Check as NVIDIA's documentation does: no four with more than two that aren't zero."""
    fours = np.moveaxis(np.asarray(weight, np.float32), axis, -1).reshape(-1, 4)
    return all(np.count_nonzero(four) <= 2 for four in fours)


LAYERS = {
    "conv1d": nn.Conv1d(8, 3, 5),
    "conv2d": nn.Conv2d(12, 5, (3, 2)),
    "conv3d": nn.Conv3d(4, 2, 2),
    "linear": nn.Linear(16, 3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_of_every_four_weights_the_two_largest_stay_as_they_are(name):
    torch.manual_seed(0)
    model = nn.Sequential(copy.deepcopy(LAYERS[name]))
    before = model[0].weight.detach().numpy().copy()
    report = impose_pattern(model)
    after = model[0].weight.detach().numpy()
    for place in np.ndindex(before.shape[0], before.shape[1] // 4, *before.shape[2:]):
        output, four, *kernel = place
        here = (output, slice(4 * four, 4 * four + 4), *kernel)
        largest = np.sort(np.abs(before[here]))[-2:]
        kept = np.isin(np.abs(before[here]), largest)
        np.testing.assert_array_equal(after[here], np.where(kept, before[here], 0))
    share = 1 - np.square(after).sum() / np.square(before).sum()
    assert report.treated == {"0": pytest.approx(share, rel=1e-4)}
    assert report.left == {}


class Odd(nn.Module):
    """One of each layer that stays dense, and one that doesn't."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.grouped = nn.Conv2d(16, 8, 3, groups=2)
        self.back = nn.ConvTranspose2d(8, 8, 2)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
        self.embedding, self.tied = nn.Embedding(8, 8), nn.Linear(8, 8)
        self.tied.weight = self.embedding.weight
        self.attend = nn.MultiheadAttention(8, 2)
        self.memory = nn.LSTM(8, 8)
        self.head = nn.Linear(8, 2)


def test_what_stays_dense_is_named_and_not_changed():
    torch.manual_seed(0)
    model = Odd()
    before = copy.deepcopy(model.state_dict())
    report = impose_pattern(model)
    assert set(report.treated) == {"attend.out_proj", "head"}
    assert report.left == {
        "stem": "its 3 input channels are no multiple of 4",
        "depthwise": "it is grouped or depthwise",
        "grouped": "it is grouped or depthwise",
        "back": "ConvTranspose2d isn't treated",
        "normed": "its weight is computed from other parameters",
        "tied": "its weights are shared",
        "attend": "the projections to queries, keys and values aren't layers of their own",
        "memory": "LSTM isn't treated",
    }
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {"attend.out_proj.weight", "head.weight"}


def test_masks_of_what_has_the_pattern_are_its_nonzero_weights():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Conv2d(16, 4, 1))
    impose_pattern(model)
    for name, mask in pattern_masks(model).items():
        weight = model.get_submodule(name).weight
        assert torch.equal(mask, weight != 0)
        assert mask.double().mean() == 0.5


def train(model, steps=3):
    """Train with two optimizers in turn, as a workload of somebody's own may."""
    optimizers = [
        torch.optim.Adam(model.parameters(), 0.1),
        torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1),
    ]
    for step in range(steps):
        optimizer = optimizers[step % 2]
        optimizer.zero_grad()
        model(torch.ones(2, 8)).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("is_held", [True, False])
def test_the_pattern_holds_through_training_only_where_it_is_held(is_held):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    impose_pattern(model)
    before = copy.deepcopy(model)
    if is_held:
        with pattern_held(model):
            train(model)
    else:
        train(model)
    for layer, untrained in ((model[0], before[0]), (model[2], before[2])):
        assert in_twos_of_four(layer.weight.detach()) is is_held
        kept = untrained.weight != 0
        assert not torch.equal(layer.weight[kept], untrained.weight[kept])


def test_weights_are_set_without_an_optimizer_and_the_pattern_holds_in_the_end():
    model = nn.Sequential(nn.Linear(8, 2))
    impose_pattern(model)

    def fill_and_fail():
        with pattern_held(model), torch.no_grad():
            model[0].weight.fill_(1.0)
            raise RuntimeError("in training")

    with pytest.raises(RuntimeError, match="in training"):
        fill_and_fail()
    assert in_twos_of_four(model[0].weight.detach())
    train(model)  # nobody holds it any more
    assert not in_twos_of_four(model[0].weight.detach())


class Net(nn.Module):
    """Convolutions with BatchNorm, a linear layer over tokens and one over features."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.inner = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
        self.tokens = nn.Linear(16, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, image):
        x = torch.relu(self.stem(image))
        x = torch.relu(x + self.inner(x))
        tokens = torch.relu(self.tokens(x.flatten(2).transpose(1, 2)))
        return self.head(tokens.mean(1))


def images():
    return np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


def patterned_net():
    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(-1.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        net.train()(torch.from_numpy(images()))
    report = impose_pattern(net)
    assert set(report.treated) == {"inner.0", "tokens", "head"}
    return net.eval()


def weights_read(folder):
    """Return what each convolution and matrix product multiplies by, and its input channels' axis.

    Where Q/DQ nodes stand between the constant and its reader, it is what comes out of them.
    """
    model = onnx.load(folder / "model.onnx")
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    readers = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm", "MatMul")]
    made = [node.input[1] for node in readers if node.input[1] not in constants]
    if made:
        del model.graph.output[:]
        model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in made)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        constants |= dict(zip(made, session.run(None, {"image": images()}), strict=True))
    return [(constants[node.input[1]], _input_axis(node)) for node in readers]


def _input_axis(node):
    if node.op_type == "MatMul":
        return 0
    is_transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return 1 if node.op_type == "Conv" or is_transposed else 0


FORMS = {
    "float32": ("onnx", {}),
    "float16": ("onnx_fp16", {}),
    "bfloat16": ("onnx_bf16", {}),
    "int8": ("onnx_int8_symmetric", {"float_type": "fp32"}),
    "int8_per_tensor": ("onnx_int8_symmetric", {"float_type": "fp32", "per_channel": False}),
    "int8_in_float16": ("onnx_int8_symmetric", {"float_type": "fp16"}),
    "float8": ("onnx_fp8", {"float_type": "fp16"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_exported_and_quantized_has_the_pattern(name, tmp_path):
    """BatchNorm is folded into whole output channels, and symmetric scales map zero to zero."""
    form, settings = FORMS[name]
    folder, out_dir = tmp_path / "float", tmp_path / "out"
    folder.mkdir()
    out_dir.mkdir()
    export_onnx(patterned_net(), {"image": images()}, folder)
    if form == "onnx":
        out_dir = folder
    else:
        quantizer = load_quantizer(form)
        defaults = {name: flag.default for name, flag in quantizer.SETTINGS.items()}
        quantizer.quantize(folder, [[images()]] * 4, defaults | settings, out_dir)
    found = weights_read(out_dir)
    assert [in_twos_of_four(w, axis) for w, axis in found if w.shape[axis] % 4 == 0] == [True] * 3
    stem = [w for w, axis in found if w.shape[axis] == 3]
    assert len(stem) == 1
    for weight, axis in found:
        if weight.shape[axis] % 4 == 0:
            assert np.count_nonzero(np.asarray(weight, np.float32)) > 0.4 * weight.size


def test_what_never_had_the_pattern_is_seen_not_to_have_it(tmp_path):
    torch.manual_seed(0)
    export_onnx(Net().eval(), {"image": images()}, tmp_path)
    found = [in_twos_of_four(w, axis) for w, axis in weights_read(tmp_path) if w.shape[axis] != 3]
    assert found == [False] * 3
