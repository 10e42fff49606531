from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from evaluators.compress.distill import (
    distill,
    pruned_learning_rate,
    reconstructed_learning_rate,
)
from evaluators.compress.sparsity_pattern import impose_pattern
from evaluators.failures import CandidateRejected
from spaces.workload import Workload, WorkloadError

SAMPLES = 256


class Rings(Workload):
    """Points in or out of a ring, whose order depends on `rng`."""

    def __init__(self):
        points = np.random.default_rng(0).normal(size=(SAMPLES, 2)).astype(np.float32)
        self.points = points
        self.labels = (np.linalg.norm(points, axis=1) > 1.1).astype(np.int64)
        self.epochs_begun = 0

    def model(self):
        return net(32)

    def example_inputs(self):
        return {"point": self.points[:1]}

    def train_batches(self):
        self.epochs_begun += 1
        order = self.rng.permutation(SAMPLES)
        for rows in np.split(order, 8):
            yield {"point": self.points[rows]}, self.labels[rows]

    def calibration_batches(self):
        return [({"point": self.points}, self.labels)]

    validation_batches = test_batches = calibration_batches

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets


def net(width):
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 2))


@pytest.fixture
def models():
    torch.manual_seed(0)
    return net(8), net(32)


def tuned(student, teacher, workload=None, **changes):
    settings = {"temperature": 4.0, "alpha": 0.5, "epochs": 2, "seed": 0, "learning_rate": 0.05}
    settings |= changes
    return distill(student, teacher, workload or Rings(), **settings)


def accuracy(model, workload):
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(workload.points)).numpy()
    return workload.score([logits], workload.labels).mean()


def same(first, second):
    a, b = first.state_dict(), second.state_dict()
    return all(torch.equal(a[key], b[key]) for key in a)


def test_0_epochs_change_nothing(models):
    student, teacher = models
    before = copy.deepcopy(student)
    workload = Rings()
    report = tuned(student, teacher, workload, epochs=0)
    assert same(student, before)
    assert (report.steps, report.losses, workload.epochs_begun) == (0, [], 0)


def test_the_student_learns_the_task(models):
    student, teacher = models
    workload = Rings()
    report = tuned(student, teacher, workload, alpha=0.0, epochs=20)
    assert accuracy(student, workload) > 0.93
    assert (report.epochs, report.steps, len(report.losses)) == (20, 160, 20)
    assert report.losses[-1] < 0.5 * report.losses[0]
    assert not student.training


def test_the_student_learns_from_the_teacher_alone(models):
    student, teacher = models
    workload = Rings()
    tuned(teacher, teacher, workload, alpha=0.0, epochs=20)
    workload.loss = None  # with alpha 1 the task's own loss doesn't count
    tuned(student, teacher, workload, alpha=1.0, epochs=20)
    assert accuracy(student, workload) > 0.93


def test_the_teacher_stays_as_it_is(models):
    student, teacher = models
    before = copy.deepcopy(teacher)
    tuned(student, teacher.train())
    assert same(teacher, before)
    assert teacher.training


def test_the_seed_decides(models):
    student, teacher = models
    first, second, third = (copy.deepcopy(student) for _ in range(3))
    tuned(first, teacher, seed=1)
    torch.rand(3)
    tuned(second, teacher, seed=1)
    tuned(third, teacher, seed=2)
    assert same(first, second)
    assert not same(first, third)


def test_torchs_own_generator_is_left_alone(models):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    tuned(*models)
    assert torch.equal(torch.rand(1), expected)


def test_the_first_epochs_loss_is_the_weighted_sum(models):
    student, teacher = models
    workload = Rings()
    workload.loss = lambda outputs, targets: outputs[0].sum() * 0 + 3.0
    workload.distillation_loss = lambda student, teacher, t: student[0].sum() * 0 + t
    report = tuned(student, teacher, workload, alpha=0.25, temperature=7.0, epochs=1)
    assert report.losses == [pytest.approx(0.25 * 7 + 0.75 * 3)]


def test_the_schedule_ends_with_the_last_epoch(models):
    seen = []

    class Watched(Rings):
        def train_batches(self):
            for batch in super().train_batches():
                seen.append(torch.cat([p.detach().flatten() for p in student.parameters()]))
                yield batch

    student, teacher = models
    tuned(student, teacher, Watched(), epochs=3)
    trained = torch.cat([p.detach().flatten() for p in student.parameters()])
    moves = [(b - a).norm() for a, b in itertools.pairwise([*seen, trained])]
    assert moves[-1] < 0.02 * max(moves)


def test_a_workload_with_len_is_not_passed_over_to_count_it(models):
    class Listed(Rings):
        def train_batches(self):
            return list(super().train_batches())

    workload = Listed()
    report = tuned(*models, workload, epochs=1)
    assert report.steps == 8


def test_a_workload_that_fine_tunes_itself_is_left_to_do_it(models):
    class Own(Rings):
        def finetune(self, student, teacher, *, temperature, alpha, epochs, seed):
            self.asked = (temperature, alpha, epochs, seed, self.rng.random())
            student.train()
            with torch.no_grad():
                student[0].bias.fill_(5.0)

    student, teacher = models
    workload = Own()
    report = tuned(student, teacher, workload, seed=3)
    assert workload.asked == (4.0, 0.5, 2, 3, np.random.default_rng(3).random())
    assert (student[0].bias == 5).all()
    assert report.losses == []
    assert not student.training


class Own(Rings):
    """Fine-tunes a copy, and takes its weights over in the end."""

    def finetune(self, student, teacher, *, temperature, alpha, epochs, seed):
        other = copy.deepcopy(student).train()
        optimizer = torch.optim.Adam(other.parameters(), 0.01)
        for inputs, targets in self.train_batches():
            optimizer.zero_grad()
            self.loss([other(torch.tensor(inputs["point"]))], torch.tensor(targets)).backward()
            optimizer.step()
        student.load_state_dict(other.state_dict())


@pytest.mark.parametrize("workload_class", [Rings, Own])
@pytest.mark.parametrize("has_pattern", [True, False])
def test_a_pattern_holds_through_fine_tuning_where_there_is_one(
    models, workload_class, has_pattern
):
    student, teacher = models
    impose_pattern(student)
    zeros = student[3].weight == 0
    before = student[3].weight.clone()
    tuned(student, teacher, workload_class(), has_pattern=has_pattern)
    assert zeros.sum() == zeros.numel() // 2
    assert (student[3].weight[zeros] == 0).all() == has_pattern
    assert (student[3].weight[~zeros] != before[~zeros]).all()
    assert not student.training


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_rejects_the_candidate(models, bad):
    workload = Rings()
    workload.loss = lambda outputs, targets: outputs[0].sum() * 0 + bad
    with pytest.raises(
        CandidateRejected, match=f"keep the loss finite, but it is {bad} in epoch 1"
    ):
        tuned(*models, workload)


def test_outputs_that_are_no_logits_are_named():
    student, teacher = nn.Linear(2, 1), nn.Linear(2, 1)
    with pytest.raises(WorkloadError, match="Define distillation_loss"):
        tuned(student, teacher)


def test_several_outputs_reach_the_workloads_own_loss():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits, self.box = nn.Linear(2, 2), nn.Linear(2, 4)

        def forward(self, point):
            return self.logits(point), self.box(point)

    class Boxes(Rings):
        def loss(self, outputs, targets):
            logits, box = outputs
            return super().loss([logits], targets) + box.square().mean()

    report = tuned(Both(), Both(), Boxes(), epochs=4)
    assert report.losses[-1] < report.losses[0]


def test_images_keep_their_layout_after_training():
    class Images(Rings):
        def train_batches(self):
            rng = np.random.default_rng(0)
            for _ in range(2):
                images = rng.normal(size=(8, 3, 8, 8)).astype(np.float32)
                yield {"image": images}, rng.integers(0, 2, 8)

    def build():
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
        )

    student = build()
    tuned(student, build(), Images())
    assert student[0].weight.is_contiguous()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"temperature": 0.0}, r"distillation.temperature must be above 0, but got 0.0"),
        ({"alpha": 1.5}, r"distillation.alpha must be in \[0, 1\], but got 1.5"),
        ({"epochs": -1}, r"distillation.epochs must be 0 or more, but got -1"),
    ],
)
def test_settings_have_ranges(models, changes, rule):
    with pytest.raises(ValueError, match=rule):
        tuned(*models, **changes)


def test_a_reconstructed_model_is_trained_gently_unless_there_is_time():
    rates = [reconstructed_learning_rate(epochs) for epochs in (1, 2, 4, 8, 16, 100)]
    assert rates == sorted(rates)
    assert rates[0] < pruned_learning_rate(1) / 5
    assert rates[-1] > pruned_learning_rate(100)


def test_a_pruned_model_is_trained_at_a_higher_rate_where_there_is_time():
    assert pruned_learning_rate(1) < pruned_learning_rate(8) == pruned_learning_rate(100)
