"""Against a stand-in for the module pynvml, whose GPU does what a test says."""

import importlib.util
import itertools

import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.nvml import METER, NvmlMeter


class NVMLError(Exception):
    pass


class NVMLError_NotSupported(NVMLError):  # noqa: N801  pynvml's name
    pass


class FakeNvml:
    """A GPU with a counter of millijoules, or only power; and perhaps it falls off its bus."""

    NVMLError = NVMLError
    NVMLError_NotSupported = NVMLError_NotSupported

    def __init__(self, energy_mj=None, power_mw=None, name="NVIDIA Fake"):
        self.energy_mj = energy_mj
        self.power_mw = power_mw
        self.name = name
        self.is_lost = False

    def nvmlInit(self):  # noqa: N802
        if self.is_lost:
            raise NVMLError("GPU is lost")

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        assert index == 0
        return "gpu 0"

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return self._supported(handle, self.name)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return self._supported(handle, self.energy_mj)

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return self._supported(handle, self.power_mw)

    @staticmethod
    def _supported(handle, value):
        assert handle == "gpu 0"
        if value is None:
            raise NVMLError_NotSupported("Not Supported")
        return value


def meter_of(nvml):
    seconds = itertools.count(100.0, 2.0)
    return NvmlMeter(nvml, lambda: next(seconds))


@pytest.mark.parametrize("name", ["NVIDIA Fake", b"NVIDIA Fake"])
def test_the_counter_is_read_at_both_ends(name):
    nvml = FakeNvml(energy_mj=5_000_000, power_mw=1, name=name)
    meter = meter_of(nvml)
    assert (meter.unavailable_reason(), meter.domains()) == (None, ["NVIDIA Fake"])
    meter.start()
    nvml.energy_mj += 3_500
    assert meter.stop() == (3.5, 2.0, 2, {"NVIDIA Fake": 3.5})


def test_a_gpu_without_a_counter_is_sampled():
    nvml = FakeNvml(power_mw=42_500)
    meter = NvmlMeter(nvml)
    assert meter.unavailable_reason() is None
    meter.start()
    reading = meter.stop()
    assert reading.power_w == pytest.approx(42.5)
    assert reading.domains_j == {"NVIDIA Fake": reading.energy_j}
    assert reading.readings >= 2


def test_a_gpu_with_neither_says_so():
    meter = NvmlMeter(FakeNvml())
    assert meter.unavailable_reason() == "NVML answers: Not Supported"
    assert meter.domains() == []
    with pytest.raises(DeviceLost, match="can't be read through NVML: Not Supported"):
        meter.start()


def test_no_driver_is_what_nvml_says():
    nvml = FakeNvml(energy_mj=1)
    nvml.is_lost = True
    assert NvmlMeter(nvml).unavailable_reason() == "NVML answers: GPU is lost"


@pytest.mark.parametrize("gpu", [{"energy_mj": 1000}, {"power_mw": 1000}])
def test_a_gpu_that_vanishes_is_a_lost_device(gpu):
    nvml = FakeNvml(**gpu)
    meter = NvmlMeter(nvml)
    meter.start()
    nvml.is_lost = True
    with pytest.raises(DeviceLost, match="the GPU can't be read through NVML: GPU is lost"):
        meter.stop()


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert NvmlMeter().unavailable_reason() == (
        "the Python package nvidia-ml-py is missing: pip install nvidia-ml-py"
    )


@pytest.mark.skipif(METER.unavailable_reason() is not None, reason="no NVIDIA GPU here")
def test_a_real_gpu_draws_some_power():
    METER.start()
    reading = METER.stop()
    assert reading.energy_j >= 0
    assert list(reading.domains_j) == METER.domains()
