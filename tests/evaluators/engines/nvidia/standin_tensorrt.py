"""A ``tensorrt`` 10 for a board without one: a plan is the ONNX file, and ONNX Runtime answers it.

Copied there as ``tensorrt.py``. Its device memory is that of the stand-in driver in
`tests.evaluators.engines.standin_libraries`: the host's.
"""

from __future__ import annotations

import ctypes
import enum
from types import SimpleNamespace

import numpy as np
import onnxruntime

__version__ = "10.3.0"
MARK = b"plan of a stand-in\n"
_KINDS = {"tensor(float)": ("FLOAT", np.float32)}


class ILogger:
    pass


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 0


class BuilderFlag(enum.IntEnum):
    TF32 = 0


class EngineStat(enum.IntEnum):
    TOTAL_WEIGHTS_SIZE = 0


class Config:
    builder_optimization_level = 3

    def clear_flag(self, flag):
        pass

    def create_timing_cache(self, content):
        return content

    def set_timing_cache(self, cache, ignore_mismatch):
        return True

    def get_timing_cache(self):
        return SimpleNamespace(serialize=lambda: b"timings")


class Network:
    model = b""

    @property
    def session(self):
        return onnxruntime.InferenceSession(self.model)

    @property
    def num_inputs(self):
        return len(self.session.get_inputs())

    @property
    def num_outputs(self):
        return len(self.session.get_outputs())

    def get_input(self, index):
        return self.session.get_inputs()[index]

    def get_output(self, index):
        return self.session.get_outputs()[index]


class Builder:
    num_DLA_cores = 0  # noqa: N815 -- TensorRT's own name

    def __init__(self, log):
        pass

    def create_network(self, flags):
        return Network()

    def create_builder_config(self):
        return Config()

    def build_serialized_network(self, network, config):
        return MARK + network.model


class OnnxParser:
    num_errors = 0

    def __init__(self, network, log):
        self._network = network

    def parse(self, model):
        self._network.model = model
        return True


class Runtime:
    def __init__(self, log):
        pass

    def deserialize_cuda_engine(self, plan):
        return Engine(plan[len(MARK) :])


class Engine:
    device_memory_size_v2 = 0

    def __init__(self, model):
        self.size_bytes = len(model)
        self.session = onnxruntime.InferenceSession(model)
        self.inputs = {each.name: each for each in self.session.get_inputs()}
        self.outputs = {each.name: each for each in self.session.get_outputs()}

    def get_tensor_shape(self, name):
        return {**self.inputs, **self.outputs}[name].shape

    def get_tensor_dtype(self, name):
        return SimpleNamespace(name=_KINDS[{**self.inputs, **self.outputs}[name].type][0])

    def get_engine_stat(self, stat):
        return self.size_bytes

    def create_execution_context(self):
        return Context(self)


class Context:
    def __init__(self, engine):
        self._engine = engine
        self._addresses = {}

    def set_tensor_address(self, name, address):
        self._addresses[name] = address

    def execute_async_v3(self, stream):
        feeds = {name: self._array(name, each) for name, each in self._engine.inputs.items()}
        outputs = self._engine.session.run(None, feeds)
        for (name, each), values in zip(self._engine.outputs.items(), outputs, strict=True):
            self._array(name, each)[...] = values
        return True

    def _array(self, name, tensor):
        dtype = np.dtype(_KINDS[tensor.type][1])
        size_bytes = int(np.prod(tensor.shape)) * dtype.itemsize
        memory = (ctypes.c_ubyte * size_bytes).from_address(self._addresses[name])
        return np.frombuffer(memory, dtype).reshape(tensor.shape)
