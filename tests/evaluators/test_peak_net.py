from __future__ import annotations

import numpy as np
import pytest

from evaluators.peak_net import Convolutions, LargeConvolutions
from spaces.check_workload import check_workload

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("net", "macs"), [(Convolutions, 464_027_648), (LargeConvolutions, 59_241_398_272)]
)
def test_a_net_has_as_many_multiply_accumulates_as_it_says(net, macs):
    from evaluators.compress.prune import count_macs

    workload = net()
    shapes = [torch.empty(a.shape, device="meta") for a in workload.example_inputs().values()]
    assert count_macs(workload.model().eval().to("meta"), tuple(shapes)) == macs


def test_it_is_a_workload_as_any_other():
    check_workload(Convolutions())


def test_weights_are_the_same_every_time_and_leave_the_random_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, second = Convolutions().model(), Convolutions().model()
    assert torch.equal(torch.rand(1), expected)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_splits_differ_and_are_the_same_every_time():
    workload = Convolutions()
    splits = ("train", "calibration", "validation", "test")
    first = [next(iter(getattr(workload, f"{s}_batches")()))[0]["image"][0] for s in splits]
    again = [next(iter(getattr(workload, f"{s}_batches")()))[0]["image"][0] for s in splits]
    assert np.array_equal(first, again)
    assert len({image.tobytes() for image in first}) == len(splits)
