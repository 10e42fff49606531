"""NVIDIA's driver through ctypes: which GPU there is, its memory, streams, events and graphs.

``libcuda`` comes with every driver, on a Jetson too, and its functions keep their names and
arguments for good. ``libcudart`` has a name for each CUDA version, and ``cuda-python`` has to match
one and isn't on a Jetson. Both would do the same: TensorRT works in the device's primary context,
and so does this file.

References:
    NVIDIA, "CUDA Driver API": names that end in ``_v2`` are what its header turns the plain ones
    into.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from pathlib import Path
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from evaluators.failures import (
    CandidateAborted,
    CandidateRejected,
    DeviceLost,
    EvaluationFailure,
)

LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18  # CUdevice_attribute
_OUT_OF_MEMORY = 2
_LOST = (3, 4, 46, 100, 101, 214, 802, 803, 999)  # gone, not usable, broken memory, unknown
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: it doesn't wait for the default stream
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
_VERSION_FILES = ("/sys/module/nvidia/version", "/etc/nv_tegra_release")


class Gpu(NamedTuple):
    """The NVIDIA GPU that CUDA puts first, as its driver describes it.

    Attributes:
        capability: Compute capability, such as (8, 7) for an Orin.
        memory_bytes: All of its memory; on an integrated one that is the machine's.
        driver: The driver's own version, and that of the newest CUDA it runs.
    """

    name: str
    capability: Tuple[int, int]
    memory_bytes: int
    is_integrated: bool
    driver: str

    @property
    def sm(self) -> str:
        """The capability as compilers write it: SM87."""
        return "SM{}{}".format(*self.capability)


def gpu_from_json(facts: Mapping[str, Any]) -> Gpu:
    """Rebuild a GPU from its fields, which another machine may have sent; others are left out."""
    fields = {name: facts[name] for name in Gpu._fields}
    return Gpu(**{**fields, "capability": tuple(fields["capability"])})


@functools.lru_cache(maxsize=None)
def find_gpu() -> Optional[Gpu]:
    """Return the GPU that CUDA puts first; None where there is no driver, or it finds none."""
    try:
        return Cuda().gpu()
    except EvaluationFailure:
        return None


@functools.lru_cache(maxsize=None)
def first_gpu_on_bus() -> Optional[str]:
    """Return where on the PCI bus that GPU sits; None where there is none, or it is integrated.

    CUDA puts the fastest first unless ``CUDA_DEVICE_ORDER`` says otherwise; NVML goes by the
    bus, and knows nothing of ``CUDA_VISIBLE_DEVICES``.
    """
    gpu = find_gpu()
    return None if gpu is None or gpu.is_integrated else Cuda().bus_id()


class Cuda:
    """The driver, initialized; one device, and its primary context where something runs there.

    Args:
        library: What ``ctypes.CDLL`` returns for libcuda.

    Raises:
        DeviceLost: If there is no driver, or it finds no GPU.
    """

    def __init__(self, library: Optional[Any] = None) -> None:
        self._library = _load() if library is None else library
        self._call("cuInit", 0)
        self._device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(self._device), 0)

    def gpu(self) -> Gpu:
        """Describe the device; no context is made for that."""
        name = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", name, len(name), self._device)
        size, version = ctypes.c_size_t(), ctypes.c_int()
        self._call("cuDeviceTotalMem_v2", ctypes.byref(size), self._device)
        self._call("cuDriverGetVersion", ctypes.byref(version))
        cuda = "CUDA {}.{}".format(version.value // 1000, version.value % 1000 // 10)
        return Gpu(
            name.value.decode(errors="replace"),
            (self._attribute(_MAJOR), self._attribute(_MINOR)),
            int(size.value),
            bool(self._attribute(_INTEGRATED)),
            " ".join([*_driver_version(), cuda]),
        )

    def bus_id(self) -> str:
        """Return where on the PCI bus the device sits, such as ``0000:65:00.0``."""
        text = ctypes.create_string_buffer(32)
        self._call("cuDeviceGetPCIBusId", text, len(text), self._device)
        return text.value.decode()

    def enter(self) -> None:
        """Make the primary context this thread's, for as long as the process lives.

        It is never given back: arrays in pinned memory may outlive whoever asked for them.
        """
        context = ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        self._call("cuCtxSetCurrent", context)

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes of device memory, at least one."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(1, size)))
        return int(address.value)

    def free(self, address: int) -> None:
        """Give device memory back."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def pinned(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Return an array that the GPU reads and writes without a copy on the way."""
        count = int(np.prod(shape, dtype=np.int64))
        size = max(1, count * np.dtype(dtype).itemsize)
        pointer = ctypes.c_void_p()
        self._call("cuMemHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(size), 0)
        buffer = (ctypes.c_ubyte * size).from_address(int(pointer.value or 0))
        # The array's base is the buffer: it lives as long as the last view of the array.
        weakref.finalize(buffer, self._library.cuMemFreeHost, pointer)
        return np.frombuffer(buffer, dtype, count).reshape(tuple(shape))

    def stream(self) -> ctypes.c_void_p:
        """Return a new stream."""
        return self._new("cuStreamCreate", _NON_BLOCKING)

    def copy_in(self, address: int, array: np.ndarray, stream: ctypes.c_void_p) -> None:
        """Copy an array to the device, in the stream's order."""
        source, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        self._call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source, size, stream)

    def copy_out(self, array: np.ndarray, address: int, stream: ctypes.c_void_p) -> None:
        """Copy device memory into an array, in the stream's order."""
        target, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        self._call("cuMemcpyDtoHAsync_v2", target, ctypes.c_uint64(address), size, stream)

    def wait(self, stream: ctypes.c_void_p) -> None:
        """Block until everything in the stream is done."""
        self._call("cuStreamSynchronize", stream)

    def end_stream(self, stream: ctypes.c_void_p) -> None:
        """Destroy a stream."""
        self._call("cuStreamDestroy_v2", stream)

    def capture(self, stream: ctypes.c_void_p, work: Callable[[], None]) -> ctypes.c_void_p:
        """Return a launchable graph of what ``work`` puts into the stream, which isn't run."""
        graph, launchable = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL)
        try:
            work()
        finally:
            self._call("cuStreamEndCapture", stream, ctypes.byref(graph))
        flags = ctypes.c_ulonglong(0)
        self._call("cuGraphInstantiateWithFlags", ctypes.byref(launchable), graph, flags)
        self._call("cuGraphDestroy", graph)
        return launchable

    def launch(self, graph: ctypes.c_void_p, stream: ctypes.c_void_p) -> None:
        """Put a captured graph into a stream."""
        self._call("cuGraphLaunch", graph, stream)

    def end_graph(self, graph: ctypes.c_void_p) -> None:
        """Destroy a launchable graph."""
        self._call("cuGraphExecDestroy", graph)

    def seconds(self, stream: ctypes.c_void_p, work: Callable[[], None]) -> float:
        """Return the device's own time between two events around ``work``, and wait for it."""
        begin, end = self._new("cuEventCreate", 0), self._new("cuEventCreate", 0)
        try:
            self._call("cuEventRecord", begin, stream)
            work()
            self._call("cuEventRecord", end, stream)
            self._call("cuEventSynchronize", end)
            elapsed_ms = ctypes.c_float()
            self._call("cuEventElapsedTime", ctypes.byref(elapsed_ms), begin, end)
        finally:
            for event in (begin, end):
                self._call("cuEventDestroy_v2", event)
        return elapsed_ms.value / 1e3

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), number, self._device)
        return int(value.value)

    def _new(self, function: str, flags: int) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call(function, ctypes.byref(handle), flags)
        return handle

    def _call(self, function: str, *arguments: Any) -> None:
        code = int(getattr(self._library, function)(*arguments))
        if code == 0:
            return
        reason = "{} answered {}".format(function, self._reason(code))
        if code == _OUT_OF_MEMORY:
            raise CandidateAborted(
                "the GPU has too little memory left: {}. Free some, or shrink the model.".format(
                    reason
                )
            )
        if code in _LOST:
            raise DeviceLost("the NVIDIA driver finds no usable GPU: {}.".format(reason))
        raise CandidateRejected("the GPU couldn't run the model: {}.".format(reason))

    def _reason(self, code: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(code, ctypes.byref(text))
        return "{} ({})".format(code, (text.value or b"an unknown error").decode(errors="replace"))


def _load() -> Any:
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise DeviceLost("NVIDIA's driver must be installed: {}".format(error)) from error


def _driver_version() -> List[str]:
    for name in _VERSION_FILES:
        try:
            return [Path(name).read_text(errors="replace").splitlines()[0].strip("# ")]
        except (OSError, IndexError):
            continue
    return []
