"""A driver and a TensorRT runtime where there is no GPU: host memory, and streams that really wait.

Nothing that is put into a stream happens before somebody waits for the stream, so that a session
that reads too early is found out.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np

from evaluators.engines.nvidia.package import Package

CAPABILITY = {75: 8, 76: 7, 18: 1}


class FakeDriver:
    """Stands in for what ``ctypes.CDLL("libcuda.so.1")`` returns."""

    def __init__(self, answers=None, name=b"Orin"):
        self.name = name
        self.answers = answers or {}
        self.memory, self.pinned, self.streams, self.graphs = {}, {}, {}, {}
        self.events, self.capturing = [], None
        self._handles = iter(range(1, 10_000))

    def __getattr__(self, function):
        if not function.startswith("cu"):
            raise AttributeError(function)
        code = self.answers.get(function, 0)
        if code:
            return lambda *_: code
        work = getattr(self, "on_" + function.partition("_")[0][2:].lower())
        return lambda *arguments: work(*arguments) or 0

    def put(self, stream, work):
        if self.capturing is not None:
            self.capturing.append(work)
        else:
            self.streams[int(stream)].append(work)

    def on_init(self, flags): ...

    def on_deviceget(self, device, ordinal): ...

    def on_devicegetname(self, buffer, size, device):
        buffer.value = self.name

    def on_devicegetpcibusid(self, buffer, size, device):
        buffer.value = b"0000:65:00.0"

    def on_devicetotalmem(self, size, device):
        size._obj.value = 8 * 2**30

    def on_drivergetversion(self, version):
        version._obj.value = 12060

    def on_devicegetattribute(self, value, attribute, device):
        value._obj.value = CAPABILITY[attribute]

    def on_geterrorstring(self, code, text):
        text._obj.value = b"what the driver calls it"

    def on_deviceprimaryctxretain(self, context, device): ...

    def on_ctxsetcurrent(self, context): ...

    def _allocate(self, place, pointer, size):
        buffer = ctypes.create_string_buffer(size.value)
        pointer._obj.value = ctypes.addressof(buffer)
        place[ctypes.addressof(buffer)] = buffer

    def on_memalloc(self, pointer, size):
        self._allocate(self.memory, pointer, size)

    def on_memfree(self, address):
        del self.memory[address.value]

    def on_memhostalloc(self, pointer, size, flags):
        self._allocate(self.pinned, pointer, size)

    def on_memfreehost(self, pointer):
        del self.pinned[pointer.value]

    def _new(self, handle):
        handle._obj.value = next(self._handles)
        return handle._obj.value

    def on_streamcreate(self, handle, flags):
        self.streams[self._new(handle)] = []

    def on_streamdestroy(self, stream):
        del self.streams[stream.value]

    def on_streamsynchronize(self, stream):
        queue = self.streams[stream.value]
        while queue:
            queue.pop(0)()

    def on_memcpyhtodasync(self, address, source, size, stream):
        self.put(stream.value, lambda: ctypes.memmove(address.value, source.value, size.value))

    def on_memcpydtohasync(self, target, address, size, stream):
        self.put(stream.value, lambda: ctypes.memmove(target.value, address.value, size.value))

    def on_streambegincapture(self, stream, mode):
        self.capturing = []

    def on_streamendcapture(self, stream, graph):
        self.graphs[self._new(graph)] = self.capturing
        self.capturing = None

    def on_graphinstantiatewithflags(self, launchable, graph, flags):
        self.graphs[self._new(launchable)] = list(self.graphs[graph.value])

    def on_graphdestroy(self, graph):
        del self.graphs[graph.value]

    def on_graphexecdestroy(self, graph):
        del self.graphs[graph.value]

    def on_graphlaunch(self, graph, stream):
        for work in self.graphs[graph.value]:
            self.put(stream.value, work)

    def on_eventcreate(self, handle, flags):
        self.events.append(self._new(handle))

    def on_eventrecord(self, event, stream): ...

    def on_eventsynchronize(self, event):
        for queue in self.streams.values():
            while queue:
                queue.pop(0)()

    def on_eventelapsedtime(self, elapsed_ms, begin, end):
        elapsed_ms._obj.value = 0.25

    def on_eventdestroy(self, event):
        self.events.remove(event.value)


def array_at(address, shape, dtype):
    count = int(np.prod(shape))
    buffer = (ctypes.c_ubyte * (count * np.dtype(dtype).itemsize)).from_address(address)
    return np.frombuffer(buffer, dtype).reshape(shape)


class FakeEngine:
    """Two inputs and two outputs in no order of the file: a sum, and its double as float16."""

    device_memory_size = 1000
    num_bindings = 4

    def __init__(self, driver):
        kinds = {"double": "HALF", "b": "FLOAT", "a": "FLOAT", "sum": "FLOAT"}
        self.tensors = {name: ((1, 3), kind) for name, kind in kinds.items()}
        self.driver = driver
        self.executions = 0

    def compute(self, addresses):
        self.executions += 1
        total = array_at(addresses["a"], (1, 3), np.float32) + 10 * array_at(
            addresses["b"], (1, 3), np.float32
        )
        array_at(addresses["sum"], (1, 3), np.float32)[...] = total
        array_at(addresses["double"], (1, 3), np.float16)[...] = 2 * total


class BindingEngine(FakeEngine):
    """As before 8.5: by number."""

    def get_binding_name(self, index):
        return list(self.tensors)[index]

    def get_binding_shape(self, name):
        return self.tensors[name][0]

    def get_binding_dtype(self, name):
        return SimpleNamespace(name=self.tensors[name][1])

    def create_execution_context(self):
        return SimpleNamespace(execute_async_v2=self._execute)

    def _execute(self, bindings, stream_handle):
        addresses = dict(zip(self.tensors, bindings, strict=True))
        self.driver.put(stream_handle, lambda: self.compute(addresses))
        return True


class TensorEngine(FakeEngine):
    """As since 8.5: by name; the weights' size came with 10."""

    device_memory_size_v2 = 2000

    def get_tensor_shape(self, name):
        return self.tensors[name][0]

    def get_tensor_dtype(self, name):
        return SimpleNamespace(name=self.tensors[name][1])

    def get_engine_stat(self, stat):
        return 500

    def create_execution_context(self, config=None):
        self.config = config
        addresses = {}

        def execute(stream_handle):
            self.driver.put(stream_handle, lambda: self.compute(addresses))
            return True

        return SimpleNamespace(set_tensor_address=addresses.__setitem__, execute_async_v3=execute)

    def create_runtime_config(self):
        return SimpleNamespace(cuda_graph_strategy=None)


def fake_package(engine, *, is_rtx=False, version=(10, 3, 0)):
    """Return a TensorRT whose runtime loads ``engine``, or with None: fails, and says why."""
    log = SimpleNamespace(errors=[])

    def deserialize(plan):
        if engine is None:
            log.errors.append("The engine plan file is not\ncompatible")
        return engine

    module = SimpleNamespace(
        Runtime=lambda log: SimpleNamespace(deserialize_cuda_engine=deserialize, DLA_core=-1),
        EngineStat=SimpleNamespace(TOTAL_WEIGHTS_SIZE=0),
        CudaGraphStrategy=SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole"),
    )
    return Package(module, log, is_rtx, version)
