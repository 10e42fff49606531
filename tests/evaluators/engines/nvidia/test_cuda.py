from __future__ import annotations

import gc

import numpy as np
import pytest

from evaluators.engines.nvidia import cuda as cuda_module
from evaluators.engines.nvidia.cuda import Cuda, Gpu, find_gpu, first_gpu_on_bus
from evaluators.failures import CandidateAborted, CandidateRejected, DeviceLost
from tests.evaluators.engines.nvidia.fake_gpu import CAPABILITY, FakeDriver


@pytest.fixture
def forgotten():
    """Nothing is remembered of the GPU here, and nothing of the test's afterwards."""
    for cached in (find_gpu, first_gpu_on_bus):
        cached.cache_clear()
    yield
    for cached in (find_gpu, first_gpu_on_bus):
        cached.cache_clear()


def test_a_gpu_is_described(monkeypatch, tmp_path):
    version = tmp_path / "version"
    version.write_text("# R36 (release), REVISION: 4.3\nmore\n")
    monkeypatch.setattr(cuda_module, "_VERSION_FILES", (str(tmp_path / "none"), str(version)))
    found = Cuda(FakeDriver()).gpu()
    driver = "R36 (release), REVISION: 4.3 CUDA 12.6"
    assert found == Gpu("Orin", (8, 7), 8 * 2**30, True, driver)
    assert found.sm == "SM87"


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(("integrated", "place"), [(0, "0000:65:00.0"), (1, None)])
def test_a_card_has_a_place_on_the_bus(monkeypatch, integrated, place):
    monkeypatch.setattr(cuda_module, "_load", FakeDriver)
    monkeypatch.setitem(CAPABILITY, 18, integrated)
    assert first_gpu_on_bus() == place


@pytest.mark.usefixtures("forgotten")
def test_without_a_driver_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(cuda_module, "LIBRARY", "libcuda-that-is-not-there.so.1")
    with pytest.raises(DeviceLost, match=r"driver must be installed: .*cannot open shared object"):
        Cuda()
    assert find_gpu() is None
    assert first_gpu_on_bus() is None


@pytest.mark.parametrize(
    ("code", "kind", "match"),
    [
        (100, DeviceLost, r"no usable GPU: cuInit answered 100 \(what the driver calls it\)"),
        (2, CandidateAborted, "the GPU has too little memory left"),
        (719, CandidateRejected, "couldn't run the model: cuInit answered 719"),
    ],
)
def test_what_the_driver_answers_decides_whose_fault_it_is(code, kind, match):
    with pytest.raises(kind, match=match) as caught:
        Cuda(FakeDriver({"cuInit": code}))
    assert type(caught.value) is kind


def test_pinned_memory_lives_as_long_as_a_view_of_it():
    driver = FakeDriver()
    array = Cuda(driver).pinned((2, 3), np.float16)
    array[...] = 7
    assert array.shape == (2, 3)
    view = array[1:]
    del array
    gc.collect()
    assert len(driver.pinned) == 1
    assert (view == 7).all()
    del view
    gc.collect()
    assert driver.pinned == {}


def test_device_time_comes_from_events_which_are_freed():
    driver = FakeDriver()
    cuda = Cuda(driver)
    done = []
    stream = cuda.stream()
    seconds = cuda.seconds(stream, lambda: driver.put(stream.value, lambda: done.append(1)))
    assert seconds == pytest.approx(0.25e-3)
    assert done == [1]
    assert driver.events == []
