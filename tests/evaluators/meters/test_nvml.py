"""Against a stand-in for the module pynvml, whose GPU does what a test says."""

import importlib.util
import itertools

import pytest

from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.meters.nvml import METER, NvmlMeter


class NVMLError(Exception):
    pass


class NVMLError_NotSupported(NVMLError):  # noqa: N801  pynvml's name
    pass


class FakeNvml:
    """A GPU with a counter of millijoules, or only power; and perhaps it falls off its bus."""

    NVMLError = NVMLError
    NVMLError_NotSupported = NVMLError_NotSupported

    def __init__(self, energy_mj=None, power_mw=None, name="NVIDIA Fake", handle="gpu 0"):
        self.energy_mj = energy_mj
        self.power_mw = power_mw
        self.name = name
        self.handle = handle
        self.is_lost = False

    def nvmlInit(self):  # noqa: N802
        if self.is_lost:
            raise NVMLError("GPU is lost")

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        assert index == 0
        return "gpu 0"

    def nvmlDeviceGetHandleByPciBusId(self, bus_id):  # noqa: N802
        return f"gpu at {bus_id}"

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return self._supported(handle, self.name)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return self._supported(handle, self.energy_mj)

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return self._supported(handle, self.power_mw)

    def _supported(self, handle, value):
        assert handle == self.handle
        if value is None:
            raise NVMLError_NotSupported("Not Supported")
        return value


def meter_of(nvml, bus_id=None):
    seconds = itertools.count(100.0, 2.0)
    return NvmlMeter(nvml, lambda: next(seconds), lambda: bus_id)


@pytest.mark.parametrize("name", ["NVIDIA Fake", b"NVIDIA Fake"])
def test_the_counter_is_read_at_both_ends(name):
    nvml = FakeNvml(energy_mj=5_000_000, power_mw=1, name=name)
    meter = meter_of(nvml)
    assert (meter.unavailable_reason(), meter.domains()) == (None, ["NVIDIA Fake"])
    meter.start()
    nvml.energy_mj += 3_500
    assert meter.stop() == (3.5, 2.0, 2, {"NVIDIA Fake": 3.5})


def test_of_several_gpus_the_one_that_engines_run_on_is_read():
    """NVML's own first one may be another."""
    nvml = FakeNvml(energy_mj=5_000_000, handle="gpu at 0000:65:00.0")
    meter = meter_of(nvml, "0000:65:00.0")
    assert meter.unavailable_reason() is None
    meter.start()
    assert meter.stop().energy_j == 0.0


def test_a_driver_that_does_not_say_where_its_gpu_is_is_no_fault_of_a_candidate():
    def find():
        raise CandidateRejected("the GPU couldn't run the model: cuDeviceGetPCIBusId answered 999")

    meter = NvmlMeter(FakeNvml(energy_mj=1), find_on_bus=find)
    assert "cuDeviceGetPCIBusId" in meter.unavailable_reason()
    with pytest.raises(DeviceLost, match="cuDeviceGetPCIBusId"):
        meter.start()


def test_a_gpu_without_a_counter_is_sampled():
    nvml = FakeNvml(power_mw=42_500)
    meter = NvmlMeter(nvml, find_on_bus=lambda: None)
    assert meter.unavailable_reason() is None
    meter.start()
    reading = meter.stop()
    assert reading.power_w == pytest.approx(42.5)
    assert reading.domains_j == {"NVIDIA Fake": reading.energy_j}
    assert reading.readings >= 2


def test_a_gpu_with_neither_says_so():
    meter = meter_of(FakeNvml())
    assert meter.unavailable_reason() == "NVML answers: Not Supported"
    assert meter.domains() == []
    with pytest.raises(DeviceLost, match="can't be read through NVML: Not Supported"):
        meter.start()


def test_no_driver_is_what_nvml_says():
    nvml = FakeNvml(energy_mj=1)
    nvml.is_lost = True
    assert meter_of(nvml).unavailable_reason() == "NVML answers: GPU is lost"


@pytest.mark.parametrize("gpu", [{"energy_mj": 1000}, {"power_mw": 1000}])
def test_a_gpu_that_vanishes_is_a_lost_device(gpu):
    nvml = FakeNvml(**gpu)
    meter = NvmlMeter(nvml, find_on_bus=lambda: None)
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
