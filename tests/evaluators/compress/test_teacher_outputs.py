from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from evaluators.compress import teacher_outputs as module
from evaluators.compress.distill import distill
from evaluators.compress.spans import spans_of
from evaluators.compress.teacher_outputs import keep_teacher_outputs, read_teacher_outputs
from spaces.workload import Workload


class Noisy(Workload):
    """Points that are moved anew in every epoch."""

    def model(self):
        return net()

    def example_inputs(self):
        return {"point": np.zeros((1, 2), np.float32)}

    def train_batches(self):
        for _ in range(4):
            points = self.rng.normal(size=(16, 2)).astype(np.float32)
            yield {"point": points}, (points.sum(1) > 0).astype(np.int64)

    def calibration_batches(self):
        return self.train_batches()

    validation_batches = test_batches = calibration_batches

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets


class DrawsElsewhere(Noisy):
    """Its augmentation doesn't come from `rng`."""

    other = np.random.default_rng(1)

    def train_batches(self):
        for inputs, targets in super().train_batches():
            noise = self.other.normal(size=(16, 2)).astype(np.float32)
            yield {"point": inputs["point"] + noise}, targets


class Uneven(Noisy):
    def train_batches(self):
        yield {"point": np.zeros((4, 2), np.float32)}, np.zeros(4, np.int64)
        yield {"point": np.zeros((4, 3), np.float32)}, np.zeros(4, np.int64)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).eval()


def trained(workload, kept, *, epochs=2, seed=0):
    torch.manual_seed(1)
    student = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    settings = {"temperature": 2.0, "alpha": 0.5, "learning_rate": 0.05}
    report = distill(student, net(), workload, epochs=epochs, seed=seed, kept=kept, **settings)
    return student, report


def test_a_training_finds_every_batch_and_ends_with_the_same_weights(tmp_path):
    assert keep_teacher_outputs(net(), Noisy(), range(2), 0, tmp_path) == 8
    kept = read_teacher_outputs([tmp_path])
    fast, report = trained(Noisy(), kept)
    slow, without = trained(Noisy(), None)
    assert (report.kept_steps, without.kept_steps) == (8, 0)
    for a, b in zip(fast.parameters(), slow.parameters(), strict=True):
        assert torch.equal(a, b)


def test_spans_that_were_kept_apart_are_found_together(tmp_path):
    spans = spans_of(5)
    folders = [tmp_path / str(number) for number in range(len(spans))]
    for span, folder in zip(spans, folders, strict=True):
        folder.mkdir()
        assert keep_teacher_outputs(net(), Noisy(), span, 0, folder) == 4 * len(span)
    _, report = trained(Noisy(), read_teacher_outputs(folders), epochs=5)
    assert report.kept_steps == 20
    _, report = trained(Noisy(), read_teacher_outputs(folders[1:]), epochs=5)
    assert report.kept_steps == 16


@pytest.mark.parametrize(("epochs", "seed", "found"), [(3, 0, 8), (1, 0, 4), (2, 1, 0)])
def test_only_the_same_batches_are_found(tmp_path, epochs, seed, found):
    keep_teacher_outputs(net(), Noisy(), range(2), 0, tmp_path)
    _, report = trained(Noisy(), read_teacher_outputs([tmp_path]), epochs=epochs, seed=seed)
    assert report.kept_steps == found


def test_a_workload_that_draws_elsewhere_gets_no_wrong_outputs(tmp_path):
    workload = DrawsElsewhere()
    keep_teacher_outputs(net(), workload, range(2), 0, tmp_path)
    _, report = trained(workload, read_teacher_outputs([tmp_path]))
    assert report.kept_steps == 0


def test_what_is_kept_are_the_teachers_outputs(tmp_path):
    teacher, workload = net(), Noisy()
    keep_teacher_outputs(teacher, workload, range(1), 3, tmp_path)
    workload.rng = np.random.default_rng(3)
    inputs, _ = next(iter(workload.train_batches()))
    (found,) = read_teacher_outputs([tmp_path]).of(inputs)
    expected = teacher(torch.from_numpy(inputs["point"]))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)  # bfloat16 on some CPUs


def test_too_much_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 7 * 16 * 2 * 4)
    assert keep_teacher_outputs(net(), Noisy(), range(2), 0, tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    _, report = trained(Noisy(), read_teacher_outputs([tmp_path]))
    assert report.kept_steps == 0


def test_a_span_may_take_its_share_of_what_is_not_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 8 * 16 * 2 * 4)
    assert keep_teacher_outputs(net(), Noisy(), range(1, 2), 0, tmp_path) == 4
    assert keep_teacher_outputs(net(), Noisy(), range(2, 3), 0, tmp_path) == 0


def test_outputs_of_different_shapes_are_not_kept(tmp_path):
    class Same(nn.Module):
        def forward(self, point):
            return point

    assert keep_teacher_outputs(Same(), Uneven(), range(1), 0, tmp_path) == 0


def test_a_workload_that_fine_tunes_itself_needs_none(tmp_path):
    class Own(Noisy):
        def finetune(self, student, teacher, *, temperature, alpha, epochs, seed):
            pass

        train_batches = None  # must not be called

    assert keep_teacher_outputs(net(), Own(), range(2), 0, tmp_path) == 0


def test_torchs_own_generator_is_left_alone(tmp_path):
    teacher = net()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    keep_teacher_outputs(copy.deepcopy(teacher), Noisy(), range(1), 0, tmp_path)
    assert torch.equal(torch.rand(1), expected)
