from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spaces.workload import FineTunesItself, Workload, WorkloadError, output_tensors


class Points(Workload):
    """Two clouds of points, told apart by one linear layer."""

    def __init__(self):
        self.trainings = 0

    def model(self):
        return self.trained(lambda: nn.Linear(2, 2), self._fit)

    def _fit(self, module):
        self.trainings += 1
        with torch.no_grad():
            module.bias.copy_(torch.from_numpy(self.rng.normal(size=2)))

    def example_inputs(self):
        return {"point": np.zeros((1, 2), np.float32)}

    def train_batches(self):
        return []

    calibration_batches = validation_batches = test_batches = train_batches

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets


@pytest.fixture
def points(tmp_path):
    workload = Points()
    workload.cache_dir = tmp_path / "cache"
    return workload


def test_training_happens_once_and_its_weights_are_kept(points):
    first = points.model()
    again = Points()
    again.cache_dir = points.cache_dir
    second = again.model()
    assert (points.trainings, again.trainings) == (1, 0)
    assert torch.equal(first.bias, second.bias)
    assert torch.equal(first.weight, second.weight)
    assert not second.training
    assert [path.suffix for path in points.cache_dir.iterdir()] == [".pt"]


def test_weights_that_cannot_be_kept_name_the_folder_and_the_remedy(points, small_disk, fill_disk):
    points.cache_dir = small_disk / "teachers"
    ballast = fill_disk(small_disk)
    with pytest.raises(WorkloadError) as caught:
        points.model()
    assert str(caught.value) == (
        f"trained weights must be kept, but {points.cache_dir} can't be written: No space left on "
        "device. Free space there, or name another folder with EDGE_INFERENCE_SEARCH_CACHE."
    )
    assert not list(points.cache_dir.iterdir())
    ballast.unlink()
    points.model()


def test_a_cache_that_is_no_folder_is_named(points):
    points.cache_dir.write_text("in the way")
    with pytest.raises(WorkloadError, match=r"cache can't be written: File exists\. Free space"):
        points.model()


def test_training_is_seeded_and_leaves_torchs_own_generator_alone(points, tmp_path):
    torch.manual_seed(123)
    expected = torch.rand(1)
    torch.manual_seed(123)
    first = points.model()
    assert torch.equal(torch.rand(1), expected)
    points.cache_dir = tmp_path / "elsewhere"
    assert torch.equal(points.model().weight, first.weight)
    assert points.trainings == 2


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"rubbish"])
def test_damaged_weights_are_replaced(points, damage):
    expected = points.model().bias
    (file,) = points.cache_dir.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert torch.equal(points.model().bias, expected)
    assert points.trainings == 2
    points.model()
    assert points.trainings == 2


def test_the_default_distillation_loss_is_that_of_the_formula(points):
    student, teacher = torch.randn(5, 3), torch.randn(5, 3)
    p = torch.softmax(teacher / 4, 1)
    q = torch.softmax(student / 4, 1)
    expected = 16 * (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(points.distillation_loss([student], [teacher], 4.0), expected)


def test_the_distillation_loss_averages_over_positions(points):
    student, teacher = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    flat = [x.permute(0, 2, 3, 1).reshape(-1, 3) for x in (student, teacher)]
    torch.testing.assert_close(
        points.distillation_loss([student], [teacher], 2.0),
        points.distillation_loss(flat[:1], flat[1:], 2.0),
    )


@pytest.mark.parametrize(
    "output", [torch.zeros(4), torch.zeros(4, 1), torch.zeros(4, 3, dtype=torch.int64)]
)
def test_outputs_that_are_no_logits_ask_for_a_loss_of_their_own(points, output):
    with pytest.raises(WorkloadError, match=r"Define distillation_loss.* in Points"):
        points.distillation_loss([output], [output], 4.0)


def test_the_default_loss_is_cross_entropy_of_the_first_output(points):
    logits, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    expected = -torch.log_softmax(logits, 1)[range(4), targets].mean()
    torch.testing.assert_close(points.loss([logits, torch.zeros(4)], targets), expected)


def test_only_a_workload_with_finetune_fine_tunes_itself(points):
    class Own(Points):
        def finetune(self, student, teacher, *, temperature, alpha, epochs, seed):
            pass

    assert isinstance(Own(), FineTunesItself)
    assert not isinstance(points, FineTunesItself)


def test_outputs_are_a_tensor_or_a_sequence_of_them():
    a, b = torch.zeros(1), torch.ones(1)
    assert output_tensors(a) == (a,)
    assert output_tensors([a, b]) == (a, b)


@pytest.mark.parametrize(
    ("raw", "kind"), [({"a": 1}, "dict"), ((torch.zeros(1), 3), "int"), ((), "nothing")]
)
def test_other_outputs_are_refused(raw, kind):
    with pytest.raises(WorkloadError, match=kind):
        output_tensors(raw)
