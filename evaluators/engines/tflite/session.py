"""One loaded .tflite file, for every engine that runs TFLite.

``ai_edge_litert`` is the runtime's present name, ``tflite_runtime`` the one older boards have: a
Coral Dev Board's Python 3.7 never got the former. Beside the file lies what the exporter wrote::

    io.json  {"inputs":  [{"name": "args_0", "position": 0, "channel_last": true,
                           "dtype": "float32"}],
              "outputs": [{"name": "output_0", "position": 0, "channel_last": false}],
              "float_ops": ["LEAKY_RELU 'layer1.act'"]}

``position`` counts the file's own inputs, because a compiled model may lose its signature names.
``float_ops`` is only there where the file is quantized and an op stayed float.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from evaluators.engines.engine import Compiled, Missing, Session
from evaluators.failures import CandidateRejected

MODEL_FILE = "model.tflite"
IO_FILE = "io.json"
RUNTIMES = ("ai_edge_litert", "tflite_runtime")


def load_interpreter_module() -> Any:
    """Import the TFLite runtime's ``interpreter`` module.

    Raises:
        ImportError: If neither package is installed.
    """
    try:
        return importlib.import_module("ai_edge_litert.interpreter")
    except ImportError:
        return importlib.import_module("tflite_runtime.interpreter")


def load_tflite_runtime() -> str:
    """Import the runtime and return its name and version."""
    package = load_interpreter_module().__name__.split(".")[0]
    version = getattr(importlib.import_module(package), "__version__", "of unknown version")
    return "{} {}".format(package, version)


def missing_runtime(extra: str) -> Optional[Missing]:
    """Return what to install where neither runtime is found, without importing one."""
    if any(importlib.util.find_spec(name) is not None for name in RUNTIMES):
        return None
    remedy = "pip install 'edge-inference-search[{}]'".format(extra)
    return Missing("the Python package ai-edge-litert (or tflite-runtime)", remedy)


def copy_model(model: Path, out_dir: Path) -> Dict[str, Any]:
    """Copy the portable model and its ``io.json``, and return what the latter says."""
    for name in (MODEL_FILE, IO_FILE):
        shutil.copyfile(str(model / name), str(out_dir / name))
    return read_io(out_dir)


def read_io(folder: Path) -> Dict[str, Any]:
    """Read ``io.json``."""
    found: Dict[str, Any] = json.loads((folder / IO_FILE).read_text(encoding="utf-8"))
    return found


def compile_as_is(model: Path, out_dir: Path, threads: int, *, xnnpack: bool) -> Compiled:
    """Take the portable file as the artifact, once the interpreter has allocated it.

    Raises:
        CandidateRejected: If the interpreter can't.
    """
    float_ops = copy_model(model, out_dir).get("float_ops", [])
    TfliteSession(out_dir / MODEL_FILE, threads, xnnpack=xnnpack).close()
    notes = []
    if float_ops:
        notes.append(
            "{} ops have no int8 form in the quantizer and stay float: {}.".format(
                len(float_ops), ", ".join(float_ops)
            )
        )
    return Compiled(MODEL_FILE, {}, notes)


def to_file_layout(array: np.ndarray, *, channel_last: bool) -> np.ndarray:
    """Return a copy of an input, (N, C, H, W) as (N, H, W, C) where the file wants it so."""
    return np.array(np.moveaxis(array, 1, -1) if channel_last else array, order="C")


class TfliteSession(Session):
    """An interpreter with its tensors allocated.

    Args:
        path: The file, with ``io.json`` beside it.
        threads: CPU threads, at least 1.
        xnnpack: False turns off the delegate that the runtime applies by default.
        delegate: What ``load_delegate`` returned, or None.

    Raises:
        CandidateRejected: If the runtime refuses the file.
    """

    def __init__(
        self, path: Path, threads: int, *, xnnpack: bool = True, delegate: Optional[Any] = None
    ) -> None:
        described = read_io(path.parent)
        self._inputs = described["inputs"]
        self._outputs = described["outputs"]
        self._interpreter = _interpreter(path, threads, xnnpack=xnnpack, delegate=delegate)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        self._input_details = [inputs[entry["position"]] for entry in self._inputs]
        self._output_details = [outputs[entry["position"]] for entry in self._outputs]
        self._input_indices = [int(detail["index"]) for detail in self._input_details]
        self._output_indices = [int(detail["index"]) for detail in self._output_details]

    def prepare(self, inputs: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Return copies in the file's layout and types; floats become int8 where it takes int8."""
        prepared = []
        for array, entry, detail in zip(inputs, self._inputs, self._input_details):
            moved = to_file_layout(array, channel_last=entry["channel_last"])
            prepared.append(_to_file_type(moved, detail))
        return prepared

    def infer(self, prepared: List[np.ndarray]) -> List[np.ndarray]:
        """Copy the inputs in, invoke, and copy the outputs out."""
        interpreter = self._interpreter
        for index, array in zip(self._input_indices, prepared):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self._output_indices]

    def decode(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Return the outputs in the original model's layout, dequantized to float32."""
        decoded = []
        for array, entry, detail in zip(raw, self._outputs, self._output_details):
            value = _from_file_type(array, detail)
            moved = np.moveaxis(value, -1, 1) if entry["channel_last"] else value
            decoded.append(np.array(moved, order="C"))
        return decoded

    def close(self) -> None:
        """Drop the interpreter, which frees its memory, and with it the delegate."""
        self._interpreter = None


def _interpreter(path: Path, threads: int, *, xnnpack: bool, delegate: Optional[Any]) -> Any:
    module = load_interpreter_module()
    options: Dict[str, Any] = {"model_path": str(path), "num_threads": threads}
    if not xnnpack:
        options["experimental_op_resolver_type"] = _without_xnnpack(module)
    if delegate is not None:
        options["experimental_delegates"] = [delegate]
    try:
        interpreter = module.Interpreter(**options)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CandidateRejected(
            "The TFLite runtime must be able to load the model, but refused it: {}. "
            "Replace the op it names, or leave this engine out.".format(reason.rstrip("."))
        ) from error
    return interpreter


def _without_xnnpack(module: Any) -> Any:
    try:
        return module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    except AttributeError as error:
        raise CandidateRejected(
            "xnnpack: false needs a TFLite runtime of 2.6 or later, but {} has no switch for it. "
            "Set xnnpack: true.".format(load_tflite_runtime())
        ) from error


def _to_file_type(array: np.ndarray, detail: Dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    wanted = np.dtype(detail["dtype"])
    if scale and array.dtype.kind == "f":
        limits = np.iinfo(wanted)
        array = np.clip(np.rint(array / scale) + zero_point, limits.min, limits.max)
    return array.astype(wanted)


def _from_file_type(array: np.ndarray, detail: Dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if not scale:
        return array
    decoded: np.ndarray = (array.astype(np.float32) - zero_point) * np.float32(scale)
    return decoded
