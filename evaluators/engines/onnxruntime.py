"""ONNX Runtime on the CPU, or with another execution provider that its build has.

The graph is optimized when it is compiled, for the CPU it is compiled on, and loaded as it is.
Latency is the same as when it is optimized on loading (1051 against 1045 us for a ResNet of 160
MMAC), but loading then peaks at 59 instead of 157 MiB for 44 MB of weights.

There is no fp16: the CPU provider has hardly any such kernels, casts every op back to float32 and
so takes as long (1047 us), under another name.

Another provider takes what it can of the graph and leaves the rest to the CPU, which is said. It
optimizes when it loads, because most can't write down what they compiled.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from evaluators.engines.engine import Compiled, Engine, Session
from evaluators.engines.nvidia.cuda import Cuda, find_gpu, gpu_from_json
from evaluators.engines.ort.providers import (
    NVIDIA,
    PROVIDERS,
    load_model,
    prepare_cuda,
    provider_of,
)
from evaluators.failures import CandidateRejected
from evaluators.flag import Flag, FlagValue

_ARTIFACT = "model.onnx"
_BUILD_FILE = Path("capi", "build_and_package_info.py")
"""In the package's folder; what the build says of itself: ``package_name = 'onnxruntime-gpu'``."""
_PACKAGE_NAME = re.compile(r"^package_name = ['\"]([\w.-]+)['\"]", re.MULTILINE)
_FATAL = 4  # log severity: errors come as exceptions, and would be printed as well
_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


class OnnxRuntimeSession(Session):
    """A loaded model; it takes and returns arrays as they are."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = [each.name for each in session.get_inputs()]
        self._outputs = [each.name for each in session.get_outputs()]

    def prepare(self, inputs: Sequence[np.ndarray]) -> Dict[str, np.ndarray]:
        """Return contiguous copies by input name."""
        copies = [np.array(array, order="C") for array in inputs]
        return {name: copies[position] for position, name in enumerate(self._inputs)}

    def infer(self, prepared: Dict[str, np.ndarray]) -> List[np.ndarray]:
        """Run one batch; every call returns arrays of its own."""
        outputs: List[np.ndarray] = self._session.run(self._outputs, prepared)
        return outputs

    def decode(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Return copies, float16 as float32."""
        return [
            array.astype(np.float32) if array.dtype.kind == "f" else array.copy() for array in raw
        ]

    def close(self) -> None:
        """Drop the session, and with it its threads and arenas."""
        self._session = None


class OnnxRuntime(Engine):
    """ONNX Runtime with one execution provider, and the CPU's for what that leaves."""

    name = "onnxruntime"
    forms: Mapping[str, str] = {"fp32": "onnx", "int8": "onnx_int8"}
    distribution = "onnxruntime"
    module = "onnxruntime"
    extra = "onnxruntime"
    processor_flag = "provider"

    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return threads, graph optimization, execution mode, spinning and the provider."""
        return {
            "threads": Flag(
                tuple(range(1, cpu_count + 1)), cpu_count, "Threads inside one op.", minimum=1
            ),
            "graph_optimization": Flag(tuple(_LEVELS), "all", "Which fusions are made."),
            "execution_mode": Flag(
                ("sequential", "parallel"), "sequential", "Ops one by one, or branches at once."
            ),
            "spinning": Flag((True, False), True, "Idle threads spin instead of sleeping."),
            "provider": Flag(
                tuple(PROVIDERS),
                "cpu",
                "What runs the graph; the CPU runs what it leaves.",
                is_hardware=True,
            ),
        }

    def processor_of(self, value: FlagValue) -> str:
        """Return what a provider runs on; the check of the space file comes later."""
        return PROVIDERS.get(str(value), PROVIDERS["cpu"]).processor

    def accelerator(self) -> Optional[Dict[str, Any]]:
        """Return the NVIDIA GPU, which some providers run on; of others nothing is known here."""
        gpu = find_gpu()
        return None if gpu is None else {**gpu._asdict(), "processor": "gpu"}

    def toolchain(self, flags: Mapping[str, FlagValue]) -> str:
        """Return the GPU and its driver where a provider's caches are for them, or nothing."""
        if self.met is None or provider_of(flags) not in NVIDIA:
            return ""
        return str(gpu_from_json(self.met))

    def refusal(self, precision: str, flags: Mapping[str, FlagValue]) -> Optional[str]:
        """Refuse parallel execution on one thread, which silently becomes sequential."""
        if flags["execution_mode"] == "parallel" and int(flags["threads"]) < 2:
            return (
                "onnxruntime.execution_mode: parallel needs at least 2 threads, but "
                "onnxruntime.threads is 1. Raise it, or choose sequential."
            )
        return None

    def installed_distribution(self) -> str:
        """Return the package of the build that is here: each has one, with the same module.

        Where several are installed, the last one's files lie in the module's folder.
        """
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.origin:
            return self.distribution
        try:
            text = (Path(spec.origin).parent / _BUILD_FILE).read_text(encoding="utf-8")
        except OSError:
            return self.distribution
        found = _PACKAGE_NAME.search(text)
        return found.group(1) if found else self.distribution

    def distribution_of(self, said: str) -> str:
        """Return the package, which is named where it isn't the plain one."""
        return said.rpartition(" ")[0] or self.distribution

    def load_runtime(self) -> str:
        """Import ONNX Runtime; the version is that of a package that isn't named if plain."""
        import onnxruntime

        build, version = self.installed_distribution(), str(onnxruntime.__version__)
        return version if build == self.distribution else "{} {}".format(build, version)

    def start_accelerator(self, flags: Mapping[str, FlagValue]) -> None:
        """Load CUDA and make the GPU's context where a provider is going to run there."""
        if provider_of(flags) in NVIDIA and find_gpu() is not None:  # without one, `open` says why
            prepare_cuda(provider_of(flags))
            Cuda().enter()

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Optimize the graph for this CPU and write it down, or see what a provider takes of it."""
        if provider_of(flags) != "cpu":
            notes = _check_provider(model / "model.onnx", flags, out_dir)
            shutil.copyfile(str(model / "model.onnx"), str(out_dir / _ARTIFACT))
            return Compiled(_ARTIFACT, {}, notes)
        options = _options(flags)
        options.graph_optimization_level = _level(str(flags["graph_optimization"]))
        options.optimized_model_filepath = str(out_dir / _ARTIFACT)
        load_model(model / "model.onnx", options)
        return Compiled(_ARTIFACT, {}, [])

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Load the optimized graph as it is, or let a provider compile it."""
        options = _options(flags)
        if provider_of(flags) != "cpu":
            options.graph_optimization_level = _level(str(flags["graph_optimization"]))
            session = load_model(compiled / artifact, options, provider_of(flags), compiled)
            return OnnxRuntimeSession(session)
        options.graph_optimization_level = _level("disabled")
        return OnnxRuntimeSession(load_model(compiled / artifact, options))


def _level(name: str) -> Any:
    import onnxruntime

    return getattr(onnxruntime.GraphOptimizationLevel, _LEVELS[name])


def _options(flags: Mapping[str, FlagValue]) -> Any:
    """Return session options with every flag but graph optimization."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = options.inter_op_num_threads = int(flags["threads"])
    parallel = flags["execution_mode"] == "parallel"
    mode = onnxruntime.ExecutionMode
    options.execution_mode = mode.ORT_PARALLEL if parallel else mode.ORT_SEQUENTIAL
    spinning = "1" if flags["spinning"] else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    # Two pools that both spin fight for the same CPUs: 8 to 12 ms for a query of 0.12 ms.
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _check_provider(model: Path, flags: Mapping[str, FlagValue], out_dir: Path) -> List[str]:
    """Load a model with its provider, and say how much of it that leaves to the CPU.

    Raises:
        CandidateAborted: If the build lacks the provider, or it doesn't start.
        CandidateRejected: If it can't load the model, or takes nothing of it.
    """
    options = _options(flags)
    options.graph_optimization_level = _level(str(flags["graph_optimization"]))
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    provider = provider_of(flags)
    session = load_model(model, options, provider, out_dir)
    taken, left = 0, 0
    for part in session.get_provider_graph_assignment_info():
        if part.ep_name == PROVIDERS[provider].name:
            taken += len(part.get_nodes())
        else:
            left += len(part.get_nodes())
    if not taken:
        raise CandidateRejected(
            "onnxruntime.provider: {} must take some of the model, but leaves all {} ops to the "
            "CPU. Choose cpu.".format(provider, left)
        )
    return ["{} of {} ops run on the CPU.".format(left, taken + left)] if left else []


ENGINE = OnnxRuntime()
