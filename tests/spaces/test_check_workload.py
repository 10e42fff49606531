from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spaces.check_workload import check_workload
from spaces.onnx_workload import OnnxWorkload
from spaces.workload import Workload, WorkloadError


def batch(size=4, *, name="x", dtype=np.float32, columns=3):
    return {name: np.ones((size, columns), dtype)}, np.arange(size) % 2


class Sound(Workload):
    def model(self):
        return nn.Linear(3, 2)

    def example_inputs(self):
        return batch(1)[0]

    def train_batches(self):
        return [batch(8)]

    def calibration_batches(self):
        return [batch()]

    def validation_batches(self):
        return [batch()]

    def test_batches(self):
        return iter([batch()])

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets


def with_method(name, answer):
    workload = Sound()
    setattr(workload, name, lambda *_: answer)
    return workload


class Doubled(nn.Module):
    def forward(self, x):
        return x * float("nan")


def test_a_sound_workload_passes():
    check_workload(Sound())


def test_a_metric_of_the_whole_set_passes():
    check_workload(with_method("score", np.float64(0.5)))


@pytest.mark.parametrize(
    ("method", "answer", "fault"),
    [
        ("example_inputs", [1], r"example_inputs\(\) must return a dict .* got list"),
        ("example_inputs", {}, r"got dict"),
        ("example_inputs", batch(2)[0], r"'x' is ndarray of \(2, 3\)"),
        ("example_inputs", {"x": torch.zeros(1, 3)}, r"'x' is Tensor"),
        ("validation_batches", [], r"validation_batches\(\) must yield at least one batch"),
        ("train_batches", iter(()), r"train_batches\(\) must yield at least one batch"),
        ("test_batches", [batch()[0]], r"test_batches\(\) must yield \(inputs by name, targets\)"),
        ("calibration_batches", [batch(name="y")], r"x float32\[3\], but got y float32\[3\]"),
        ("calibration_batches", [batch(columns=5)], r"x float32\[3\], but got x float32\[5\]"),
        ("train_batches", [batch(dtype=np.float64)], r"but got x float64\[3\]"),
        ("train_batches", [(batch()[0], np.arange(3))], r"an array of 4 targets .* got ndarray"),
        ("train_batches", [(batch()[0], [0, 1, 0, 1])], r"an array of 4 targets .* got list"),
        ("model", "a model", r"model\(\) must return a torch.nn.Module, but got str"),
        ("model", nn.LSTM(3, 2), r"forward returns a tensor, .* but it returned Tensor, tuple"),
        ("model", Doubled(), r"model\(\) must return finite numbers"),
        ("score", np.zeros((4, 2)), r"score\(\) must return 4 scores .* shape \(4, 2\)"),
        ("score", np.full(4, np.nan), r"score\(\) must return finite numbers"),
        ("loss", torch.tensor(float("inf")), r"loss\(\) must return one finite number"),
        ("loss", torch.zeros(4), r"loss\(\) must return one finite number"),
    ],
)
def test_each_fault_is_named(method, answer, fault):
    with pytest.raises(WorkloadError, match=fault):
        check_workload(with_method(method, answer))


@pytest.mark.parametrize("method", ["model", "example_inputs", "test_batches", "score", "loss"])
def test_whatever_raises_is_blamed_by_file_and_line(method):
    workload = Sound()
    setattr(workload, method, lambda *_: 1 / 0)
    with pytest.raises(WorkloadError, match=rf"test_check_workload\.py:\d+: {method}\(\) must not"):
        check_workload(workload)


def test_a_model_that_does_not_take_the_inputs_is_blamed():
    workload = with_method("model", nn.Linear(5, 2))
    with pytest.raises(WorkloadError, match="the model's forward must not raise"):
        check_workload(workload)


def test_a_direction_is_one_of_two():
    class Sideways(Sound):
        direction = "sideways"

    with pytest.raises(WorkloadError, match="must be maximize or minimize, but got 'sideways'"):
        check_workload(Sideways())


def test_an_onnx_workload_is_checked_without_a_model(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"never opened")
    np.savez(tmp_path / "d.npz", x=np.zeros((20, 3), np.float32), targets=np.arange(20) % 2)
    check_workload(OnnxWorkload(tmp_path / "m.onnx", tmp_path / "d.npz"))
