"""OpenVINO on the CPU.

A compiled model is shipped as the blob that OpenVINO exports, which holds the graph as optimized
for one CPU and one version. It runs as fast as a model compiled in place (346 against 347 us for
a small int8 ResNet), and mapped instead of read it needs the least memory to load: 117 MiB
above the runtime for 44 MB of weights, against 130 from ONNX.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from evaluators.engines.engine import Compiled, Engine, Session
from evaluators.failures import CandidateRejected
from evaluators.flag import Flag, FlagValue

_ARTIFACT = "model.blob"
_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}
_NOISE = ("Exception from ", "Check '", "FrontEnd API failed", "Summary:")


def import_openvino() -> Any:
    """Import OpenVINO with its usage statistics off.

    It reports every import to a web service unless the person opted out. The documented way out
    writes into their home folder; without its telemetry package it reports nothing, so that
    package is made unimportable in this process. It must be called before NNCF is imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVinoSession(Session):
    """A compiled model with one request of its own."""

    def __init__(self, compiled: Any, blob: Any) -> None:
        self._compiled = compiled
        self._blob = blob  # its memory is the model's weights
        self._request = compiled.create_infer_request()
        self._queue: Any = None

    def prepare(self, inputs: Sequence[np.ndarray]) -> List[Any]:
        """Return tensors that own their memory."""
        openvino = import_openvino()
        return [openvino.Tensor(np.array(array, order="C")) for array in inputs]

    def infer(self, prepared: List[Any]) -> List[np.ndarray]:
        """Run one batch; every call returns arrays of its own."""
        for position, tensor in enumerate(prepared):
            self._request.set_input_tensor(position, tensor)
        # What it returns are copies already. Fetching `output_tensors` and copying those took 15 us
        # more where the whole query takes 48, and 50 us more after 2.7 ms, when caches are cold.
        return list(self._request.infer().values())

    def decode(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Return copies, float16 as float32."""
        return [
            array.astype(np.float32) if array.dtype.kind == "f" else array.copy() for array in raw
        ]

    def infer_all(self, prepared: Sequence[List[Any]]) -> None:
        """Run as many batches at once as there are streams."""
        if self._queue is None:
            # Not before it is needed: each request has memory of its own.
            self._queue = import_openvino().AsyncInferQueue(self._compiled)
        for tensors in prepared:
            self._queue.start_async(dict(enumerate(tensors)), share_inputs=True)
        self._queue.wait_all()

    def close(self) -> None:
        """Drop requests and model, and only then the memory its weights lie in."""
        self._queue = None
        self._request = None
        self._compiled = None
        self._blob = None


class OpenVino(Engine):
    """OpenVINO's CPU plugin."""

    name = "openvino"
    forms: Mapping[str, str] = {
        "fp32": "onnx",
        "fp16": "onnx",
        "bf16": "onnx",
        "int8": "openvino_int8",
    }
    distribution = "openvino"
    module = "openvino"
    extra = "openvino"

    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return threads, streams, performance hint and the float type of int8 models."""
        counts = tuple(range(1, cpu_count + 1))
        return {
            "threads": Flag(counts, cpu_count, "Threads of all streams together.", minimum=1),
            "streams": Flag(
                (0, *counts), 0, "Batches at once; 0 leaves it to performance_hint.", minimum=0
            ),
            "performance_hint": Flag(
                ("latency", "throughput"), "latency", "What streams and CPUs are chosen for."
            ),
            "inference_precision": Flag(
                ("f32", "bf16", "f16"),
                "f32",
                "Float type of what int8 leaves in float; a float precision sets its own.",
                precisions=("int8",),
            ),
        }

    def refusal(self, precision: str, flags: Mapping[str, FlagValue]) -> Optional[str]:
        """Refuse more streams than threads, which OpenVINO silently lowers."""
        streams, threads = int(flags["streams"]), int(flags["threads"])
        if streams > threads:
            return (
                f"openvino.streams must be at most openvino.threads, but {streams} > {threads}. "
                "A stream needs a thread of its own."
            )
        return None

    def load_runtime(self) -> str:
        """Import OpenVINO, without telemetry."""
        return str(import_openvino().__version__)

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Compile for this CPU and export the blob."""
        source = model / ("model.xml" if precision == "int8" else "model.onnx")
        core = import_openvino().Core()
        try:
            compiled = core.compile_model(
                core.read_model(source), "CPU", _properties(precision, flags)
            )
        except RuntimeError as error:
            raise _failure("openvino can't compile the model: ", error) from error
        _check_in_force(core, compiled, precision, flags)
        blob = io.BytesIO()
        compiled.export_model(blob)
        (out_dir / _ARTIFACT).write_bytes(blob.getbuffer())
        return Compiled(_ARTIFACT, {}, _notes(compiled, flags))

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Map the blob and load it with the same properties."""
        openvino = import_openvino()
        core = openvino.Core()
        # Copy on write, because OpenVINO takes no read-only memory; nothing writes to it.
        mapped = np.memmap(str(compiled / artifact), dtype=np.uint8, mode="c")
        blob = openvino.Tensor(mapped, shared_memory=True)
        try:
            model = core.import_model(blob, "CPU", _properties(precision, flags))
        except RuntimeError as error:
            raise _failure("openvino can't load the blob: ", error) from error
        _check_in_force(core, model, precision, flags)
        return OpenVinoSession(model, (blob, mapped))


def _hint(precision: str, flags: Mapping[str, FlagValue]) -> str:
    return _HINTS[precision] if precision in _HINTS else str(flags["inference_precision"])


def _properties(precision: str, flags: Mapping[str, FlagValue]) -> Dict[str, Any]:
    properties = {
        "INFERENCE_PRECISION_HINT": _hint(precision, flags),
        "PERFORMANCE_HINT": str(flags["performance_hint"]).upper(),
        "INFERENCE_NUM_THREADS": int(flags["threads"]),
    }
    if int(flags["streams"]) > 0:
        properties["NUM_STREAMS"] = str(flags["streams"])
    return properties


def _check_in_force(
    core: Any, compiled: Any, precision: str, flags: Mapping[str, FlagValue]
) -> None:
    """Reject what OpenVINO would silently replace: a type the CPU lacks, too many streams."""
    asked = getattr(import_openvino().Type, _hint(precision, flags))
    used = compiled.get_property("INFERENCE_PRECISION_HINT")
    if used != asked:
        cpu = core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        offers = ", ".join(sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")))
        raise CandidateRejected(
            f"openvino must compute in {asked.get_type_name()}, but would silently take "
            f"{used.get_type_name()}: {cpu} offers {offers}. Leave that type out."
        )
    streams = int(flags["streams"])
    used_streams = int(compiled.get_property("NUM_STREAMS"))
    if streams not in (0, used_streams):
        raise CandidateRejected(
            f"openvino.streams is {streams}, but OpenVINO makes {used_streams} on this CPU. "
            "Choose at most that."
        )


def _notes(compiled: Any, flags: Mapping[str, FlagValue]) -> List[str]:
    """Say where OpenVINO uses fewer threads than it may, such as one a physical core."""
    used = int(compiled.get_property("INFERENCE_NUM_THREADS"))
    if used == int(flags["threads"]):
        return []
    return [f"OpenVINO uses {used} of {flags['threads']} threads on this CPU."]


def _failure(what: str, error: Exception) -> Exception:
    if "Failed to allocate" in str(error):
        return MemoryError(str(error))
    return CandidateRejected(what + _reason(error))


def _reason(error: Exception) -> str:
    """Return OpenVINO's message in one line, without its own source locations."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(_NOISE)]
    return " ".join(kept or lines)


ENGINE = OpenVino()
