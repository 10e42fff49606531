"""One loaded TensorRT plan. What is timed: inputs to the GPU, the model, outputs back.

A *lane* is what one inference needs: an execution context, memory for inputs and outputs, and a
stream. Single inference uses the first; the others come when all inputs are there from the start.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, List, Mapping, Optional, Sequence

import numpy as np

from evaluators.engines.engine import DeviceMemory, Session
from evaluators.engines.nvidia.cuda import Cuda
from evaluators.engines.nvidia.package import Package
from evaluators.failures import CandidateRejected
from evaluators.flag import FlagValue

_TYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
"""Of a model's inputs and outputs; lower precisions stay inside."""


class Lane:
    """One execution context with its memory and its stream.

    Args:
        cuda: The driver, entered.
        engine: The loaded plan.
        context: One of its execution contexts, which this lane alone uses.
        inputs: Names in the model's order.
        outputs: The same.
        is_captured: Whether the model's launches become one CUDA graph.
    """

    def __init__(
        self,
        cuda: Cuda,
        engine: Any,
        context: Any,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        is_captured: bool,
    ) -> None:
        self._cuda = cuda
        self._context = context
        self._stream = cuda.stream()
        self.outputs = [cuda.pinned(*_shape_and_type(engine, name)) for name in outputs]
        sizes = {name: _size_bytes(engine, name) for name in (*inputs, *outputs)}
        self.io_bytes = sum(sizes.values())
        self._addresses = {name: cuda.allocate(size) for name, size in sizes.items()}
        self._inputs = [self._addresses[name] for name in inputs]
        self._outputs = [self._addresses[name] for name in outputs]
        self._execute = _execution(engine, context, self._addresses)
        self._graph: Any = None
        if is_captured:
            self.run()  # once before capture: TensorRT may still be setting itself up
            cuda.wait(self._stream)
            self._graph = cuda.capture(self._stream, self.run)

    def start(self, batch: Sequence[np.ndarray]) -> None:
        """Put a batch's copies and work into the stream."""
        for address, array in zip(self._inputs, batch):
            self._cuda.copy_in(address, array, self._stream)
        self.run()
        for address, array in zip(self._outputs, self.outputs):
            self._cuda.copy_out(array, address, self._stream)

    def run(self) -> None:
        """Put the model's own work into the stream."""
        if self._graph is not None:
            self._cuda.launch(self._graph, self._stream)
        elif not self._execute(int(self._stream.value or 0)):
            raise CandidateRejected("tensorrt couldn't start the model on the GPU.")

    def wait(self) -> List[np.ndarray]:
        """Block until the outputs are there; the next batch overwrites them."""
        self._cuda.wait(self._stream)
        return self.outputs

    def device_time_s(self) -> float:
        """Return the GPU's own time for the model, without copies."""
        return self._cuda.seconds(self._stream, self.run)

    def close(self) -> None:
        """Free everything."""
        self._cuda.wait(self._stream)
        if self._graph is not None:
            self._cuda.end_graph(self._graph)
        for address in self._addresses.values():
            self._cuda.free(address)
        self._cuda.end_stream(self._stream)


class TensorRtSession(Session):
    """A plan on the GPU.

    Args:
        cuda: The driver.
        package: The TensorRT that built the plan.
        plan: The serialized engine.
        inputs: Names of its inputs in the model's order.
        outputs: The same of its outputs.
        flags: Every flag of `evaluators.engines.tensorrt`.

    Raises:
        CandidateRejected: If TensorRT can't load it.
    """

    def __init__(
        self,
        cuda: Cuda,
        package: Package,
        plan: bytes,
        inputs: Sequence[str],
        outputs: Sequence[str],
        flags: Mapping[str, FlagValue],
    ) -> None:
        cuda.enter()
        self._cuda, self._package = cuda, package
        self._names = (list(inputs), list(outputs))
        self._streams, self._has_graph = int(flags["streams"]), bool(flags["cuda_graph"])
        self._plan_bytes = len(plan)
        self._runtime: Any = _runtime(package)
        if int(flags["dla_core"]) >= 0:
            self._runtime.DLA_core = int(flags["dla_core"])
        self._engine: Any = _deserialize(package, self._runtime, plan)
        self._lanes: List[Lane] = []
        self._add_lane()

    def prepare(self, inputs: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Return the batch in pinned memory, as an application for a GPU would hold it."""
        prepared = []
        for name, array in zip(self._names[0], inputs):
            pinned = self._cuda.pinned(*_shape_and_type(self._engine, name))
            pinned[...] = array.reshape(pinned.shape)
            prepared.append(pinned)
        return prepared

    def infer(self, prepared: List[np.ndarray]) -> List[np.ndarray]:
        """Run one batch; what is returned is overwritten by the next one."""
        lane = self._lanes[0]
        lane.start(prepared)
        return lane.wait()

    def decode(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Return copies, float16 as float32."""
        return [
            array.astype(np.float32) if array.dtype.kind == "f" else array.copy() for array in raw
        ]

    def infer_all(self, prepared: Sequence[List[np.ndarray]]) -> None:
        """Run as many batches at once as there are streams."""
        while len(self._lanes) < self._streams:
            self._add_lane()
        for index, batch in enumerate(prepared):
            lane = self._lanes[index % self._streams]
            if index >= self._streams:
                lane.wait()
            lane.start(batch)
        for lane in self._lanes:
            lane.wait()

    def device_time_s(self, prepared: List[np.ndarray]) -> Optional[float]:
        """Return the GPU's time for one batch by its own events, without the copies."""
        self.infer(prepared)
        return self._lanes[0].device_time_s()

    def device_memory(self) -> Optional[DeviceMemory]:
        """Return what the plan takes: its weights, and each lane's activations and arrays."""
        trt, engine = self._package.module, self._engine
        activations = getattr(engine, "device_memory_size_v2", None)
        if activations is None:
            activations = engine.device_memory_size
        if hasattr(engine, "get_engine_stat"):
            weights, by = int(engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE)), "weights"
        else:
            weights, by = self._plan_bytes, "the plan's size for its weights"
        total = weights + sum(int(activations) + lane.io_bytes for lane in self._lanes)
        method = "as TensorRT reports: {}, activations, inputs and outputs".format(by)
        return DeviceMemory(total, method)

    def close(self) -> None:
        """Free the lanes, then the engine, then what loaded it."""
        for lane in self._lanes:
            lane.close()
        self._lanes = []
        self._engine = None
        self._runtime = None

    def _add_lane(self) -> None:
        context, is_captured = self._context()
        names = self._names
        lane = Lane(self._cuda, self._engine, context, *names, is_captured=is_captured)
        self._lanes.append(lane)

    def _context(self) -> Any:
        """Return an execution context, and whether we have to capture its graph ourselves."""
        trt, engine = self._package.module, self._engine
        if self._has_graph and self._package.is_rtx:  # it captures again when it has compiled
            config = engine.create_runtime_config()
            config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            context, is_captured = engine.create_execution_context(config), False
        else:
            context, is_captured = engine.create_execution_context(), self._has_graph
        if context is None:
            raise _load_failure(self._package)
        return context, is_captured


def _runtime(package: Package) -> Any:
    package.log.errors.clear()
    try:
        return package.module.Runtime(package.log)
    except TypeError as error:  # what the bindings make of a runtime that isn't there
        raise _load_failure(package) from error


def _deserialize(package: Package, runtime: Any, plan: bytes) -> Any:
    package.log.errors.clear()
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise _load_failure(package)
    return engine


def _load_failure(package: Package) -> CandidateRejected:
    reason = " ".join((package.log.errors or ["it doesn't say why"])[-1].split())
    return CandidateRejected("{} can't load the plan: {}".format(package.title, reason))


def _shape_and_type(engine: Any, name: str) -> Any:
    if hasattr(engine, "get_tensor_shape"):
        shape, kind = engine.get_tensor_shape(name), engine.get_tensor_dtype(name)
    else:  # before 8.5
        shape, kind = engine.get_binding_shape(name), engine.get_binding_dtype(name)
    return tuple(shape), _TYPES[kind.name]


def _size_bytes(engine: Any, name: str) -> int:
    shape, dtype = _shape_and_type(engine, name)
    return int(np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize)


def _execution(engine: Any, context: Any, addresses: Mapping[str, int]) -> Callable[[int], bool]:
    """Return what puts the model into a stream, which is given by its handle."""
    if hasattr(context, "execute_async_v3"):
        for name, address in addresses.items():
            context.set_tensor_address(name, address)
        execute: Callable[[int], bool] = context.execute_async_v3
        return execute
    bindings = [addresses[engine.get_binding_name(i)] for i in range(engine.num_bindings)]
    return functools.partial(context.execute_async_v2, bindings)
