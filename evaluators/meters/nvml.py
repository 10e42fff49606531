"""NVML: the energy counter of the GPU that engines run on, or its power where it has no counter.

References:
    NVML API Reference: nvmlDeviceGetTotalEnergyConsumption (mJ since the driver was loaded; Volta
    and later) and nvmlDeviceGetPowerUsage (mW; before Ampere the instantaneous power).
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import Any, Callable, Dict, List, Optional

from evaluators.engines.nvidia.cuda import first_gpu_on_bus
from evaluators.failures import DeviceLost, EvaluationFailure
from evaluators.meters.meter import EnergyReading, Meter
from evaluators.meters.sampled import Sampler


class NvmlMeter(Meter):
    """One GPU with its board and memory.

    Args:
        nvml: The module ``pynvml``, or a stand-in; imported on first use if None.
        clock: Monotonic clock, seconds. Tests pass a fake one.
        find_on_bus: Returns where on the PCI bus the engines' GPU sits, or None.
    """

    name = "nvml"
    processors = ("gpu",)
    preference = 0

    def __init__(
        self,
        nvml: Optional[Any] = None,
        clock: Callable[[], float] = time.monotonic,
        find_on_bus: Callable[[], Optional[str]] = first_gpu_on_bus,
    ) -> None:
        self._given = nvml
        self._clock = clock
        self._find_on_bus = find_on_bus
        self._gpu = ""
        self._before_mj = 0
        self._started_s = 0.0
        self._sampler: Optional[Sampler] = None

    def domains(self) -> List[str]:
        """Return the GPU's name."""
        return [] if self.unavailable_reason() else [self._gpu_name()]

    def unavailable_reason(self) -> Optional[str]:
        """Say what NVML answers where there is no GPU or driver."""
        if self._given is None and importlib.util.find_spec("pynvml") is None:
            return "the Python package nvidia-ml-py is missing: pip install nvidia-ml-py"
        nvml = self._nvml()
        try:
            if self._read_mj() is None:
                self._read_mw()
        except nvml.NVMLError as error:
            return "NVML answers: {}".format(error)
        except DeviceLost as failure:
            return failure.reason
        return None

    def start(self) -> None:
        """Remember the counter, or begin to sample the power."""
        self._gpu = self._ask(self._gpu_name)
        before_mj = self._ask(self._read_mj)
        self._sampler = None
        if before_mj is None:
            self._sampler = Sampler(self._read_w, self._clock)
            self._sampler.start()
            return
        self._before_mj = before_mj
        self._started_s = self._clock()

    def stop(self) -> EnergyReading:
        """Return what the GPU spent since `start`."""
        if self._sampler is not None:
            return self._sampler.stop()
        seconds = self._clock() - self._started_s
        spent_mj = self._ask(self._read_mj) - self._before_mj
        return EnergyReading.of({self._gpu: spent_mj * 1e-3}, seconds, 2)

    def _read_w(self) -> Dict[str, float]:
        return {self._gpu: self._ask(self._read_mw) * 1e-3}

    def _read_mj(self) -> Optional[int]:
        """Return the counter, or None where the GPU has none."""
        nvml = self._nvml()
        try:
            return int(nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle()))
        except nvml.NVMLError_NotSupported:
            return None

    def _read_mw(self) -> int:
        return int(self._nvml().nvmlDeviceGetPowerUsage(self._handle()))

    def _gpu_name(self) -> str:
        name = self._nvml().nvmlDeviceGetName(self._handle())
        return name.decode() if isinstance(name, bytes) else str(name)

    def _ask(self, read: Callable[[], Any]) -> Any:
        nvml = self._nvml()
        try:
            return read()
        except nvml.NVMLError as error:
            raise DeviceLost("the GPU can't be read through NVML: {}.".format(error)) from error

    def _handle(self) -> Any:
        nvml = self._nvml()
        nvml.nvmlInit()
        try:
            place = self._find_on_bus()
        except EvaluationFailure as failure:  # whatever it is, it isn't the candidate's fault
            raise DeviceLost(failure.reason) from failure
        if place is None:
            return nvml.nvmlDeviceGetHandleByIndex(0)
        return nvml.nvmlDeviceGetHandleByPciBusId(place)

    def _nvml(self) -> Any:
        return importlib.import_module("pynvml") if self._given is None else self._given


METER = NvmlMeter()
