"""NVML: the energy counter of the first NVIDIA GPU (Volta and later)."""

from __future__ import annotations

import importlib.util
import time
from typing import Any, Optional

from evaluators.failures import DeviceLost
from evaluators.meters.meter import EnergyReading, Meter


class NvmlMeter(Meter):
    """Total energy of one GPU board since the driver was loaded, in steps of a millijoule."""

    name = "nvml"
    processor = "gpu"

    def __init__(self) -> None:
        self._before_mj = 0
        self._started_s = 0.0

    def unavailable_reason(self) -> Optional[str]:
        """Say what NVML answers where there is no GPU, driver or counter."""
        if importlib.util.find_spec("pynvml") is None:
            return "the Python package nvidia-ml-py is missing: pip install nvidia-ml-py"
        import pynvml

        try:
            _read_mj(pynvml)
        except pynvml.NVMLError as error:
            return "NVML answers: {}".format(error)
        return None

    def start(self) -> None:
        """Remember the board's counter."""
        import pynvml

        self._before_mj = _read_mj(pynvml)
        self._started_s = time.monotonic()

    def stop(self) -> EnergyReading:
        """Return what the board spent since `start`."""
        import pynvml

        seconds = time.monotonic() - self._started_s
        try:
            spent_mj = _read_mj(pynvml) - self._before_mj
        except pynvml.NVMLError as error:
            raise DeviceLost("the GPU's energy counter vanished: {}.".format(error)) from error
        return EnergyReading(spent_mj * 1e-3, seconds)


def _read_mj(nvml: Any) -> int:
    nvml.nvmlInit()
    return int(nvml.nvmlDeviceGetTotalEnergyConsumption(nvml.nvmlDeviceGetHandleByIndex(0)))


METER = NvmlMeter()
