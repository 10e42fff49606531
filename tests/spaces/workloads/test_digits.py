from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators.compress.prune import count_macs
from spaces.load_workload import load_workload
from spaces.workloads import digits_resnet8
from spaces.workloads.digits import digit_splits, shifted
from spaces.workloads.resnet import ResNet

FOLDER = Path(digits_resnet8.__file__).parent
EASY = "digits_resnet8.py:Digits"
HARD = "digits_resnet20.py:HardDigits"


def collected(batches):
    pairs = list(batches)
    return np.concatenate([x["image"] for x, _ in pairs]), np.concatenate([y for _, y in pairs])


@pytest.mark.parametrize(
    ("blocks", "parameters", "macs"), [(1, 78_186, 12_501_632), (3, 273_066, 40_813_184)]
)
def test_the_networks_have_the_published_size(blocks, parameters, macs):
    net = ResNet(blocks).eval()
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert count_macs(net, (torch.zeros(1, 3, 32, 32),)) == macs


@pytest.mark.parametrize(("reference", "sizes"), [(EASY, (957, 420, 420)), (HARD, (597, 600, 600))])
def test_splits_are_disjoint_fixed_and_stratified(reference, sizes, tmp_path):
    workload = load_workload(reference, FOLDER, tmp_path)
    splits = workload.splits
    assert tuple(len(split.labels) for split in splits) == sizes
    images = np.concatenate([split.images for split in splits])
    assert len({image.tobytes() for image in images}) == 1797
    for split in splits:
        shares = np.bincount(split.labels) / len(split.labels)
        np.testing.assert_allclose(shares, 0.1, atol=0.01)
    again = load_workload(reference, FOLDER, tmp_path)
    for split in ("calibration", "validation", "test"):
        first, second = (collected(getattr(w, f"{split}_batches")()) for w in (workload, again))
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_calibration_is_a_part_of_the_training_images(tmp_path):
    workload = load_workload(EASY, FOLDER, tmp_path)
    images, labels = collected(workload.calibration_batches())
    known = {image.tobytes() for image in workload.splits.train.images}
    assert images.shape == (200, 3, 32, 32)
    assert all(image.tobytes() in known for image in images)
    assert len(set(labels)) == 10


def test_training_epochs_follow_the_seed(tmp_path):
    workload = load_workload(EASY, FOLDER, tmp_path)
    epochs = []
    for seed in (1, 1, 2):
        workload.rng = np.random.default_rng(seed)
        epochs.append([collected(workload.train_batches())[0] for _ in range(2)])
    np.testing.assert_array_equal(epochs[0][1], epochs[1][1])
    assert not np.array_equal(epochs[0][0], epochs[0][1])
    assert not np.array_equal(epochs[0][0], epochs[2][0])
    assert epochs[0][0].shape == (896, 3, 32, 32)


def test_another_seed_makes_another_split():
    first, second = (digit_splits(seed, held_out=420).test.labels for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_images_are_moved_whole():
    images = np.zeros((50, 3, 32, 32), np.float32)
    images[:, :, 16, 16] = 1
    moved = shifted(images, np.random.default_rng(0), 4)
    assert (moved.sum((2, 3)) == 1).all()
    rows = moved[:, 0].max(2).argmax(1)
    assert (rows.min(), rows.max()) == (12, 20)
    np.testing.assert_array_equal(moved[:, 0], moved[:, 2])


def test_hard_digits_are_noisy_in_every_split(tmp_path):
    workload = load_workload(HARD, FOLDER, tmp_path)
    for split in workload.splits:
        assert 1.5 < split.images.std() < 2.0


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # two threads that wait for each other crawl on a busy machine
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.long
def test_the_teacher_of_digits_is_nearly_perfect(tmp_path):
    workload = load_workload(EASY, FOLDER, tmp_path)
    teacher = workload.model()
    images, labels = collected(workload.test_batches())
    with torch.inference_mode():
        outputs = teacher(torch.from_numpy(images)).numpy()
    assert workload.score([outputs], labels).mean() >= 0.985
