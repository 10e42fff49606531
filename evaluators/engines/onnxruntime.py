"""ONNX Runtime on the CPU, or with another execution provider that its build has.

The graph is optimized when it is compiled, for the CPU it is compiled on, and loaded as it is.
Latency is the same as when it is optimized on loading (1051 against 1045 us for a ResNet of 160
MMAC), but loading then peaks at 59 instead of 157 MiB for 44 MB of weights.

There is no fp16: the CPU provider has hardly any such kernels, casts every op back to float32 and
so takes as long (1047 us), under another name.

Another provider takes what it can of the graph and leaves the rest to the CPU, which is said. It
optimizes when it loads, because most can't write down what they compiled.

NVIDIA's compute fp32 as it is, without TF32, whose products have 10 bits of mantissa and which they
use by default.

References:
    ONNX Runtime, "CUDA Execution Provider": use_tf32, since 1.18; an older one refuses the option.
    NVIDIA, "TensorRT Developer Guide", TF32: NVIDIA_TF32_OVERRIDE=0 in the environment, which its
    libraries put above what a program asks them for.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from evaluators.engines.engine import Compiled, Engine, Session
from evaluators.engines.nvidia.cuda import Cuda, find_gpu, gpu_from_json
from evaluators.failures import CandidateAborted, CandidateRejected
from evaluators.flag import Flag, FlagValue

_ARTIFACT = "model.onnx"
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : (\w+) : (?:Load model from .*? failed:)?")
_BUILD_FILE = Path("capi", "build_and_package_info.py")
"""In the package's folder; what the build says of itself: ``package_name = 'onnxruntime-gpu'``."""
_PACKAGE_NAME = re.compile(r"^package_name = ['\"]([\w.-]+)['\"]", re.MULTILINE)
_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


class Provider(NamedTuple):
    """One execution provider: ONNX Runtime's name for it, and what it runs on."""

    name: str
    processor: str


_PROVIDERS = {
    "cpu": Provider("CPUExecutionProvider", "cpu"),
    "cuda": Provider("CUDAExecutionProvider", "gpu"),
    "tensorrt": Provider("TensorrtExecutionProvider", "gpu"),
    "tensorrt_rtx": Provider("NvTensorRTRTXExecutionProvider", "gpu"),
    "qnn": Provider("QNNExecutionProvider", "npu"),
    "vitisai": Provider("VitisAIExecutionProvider", "npu"),
    "coreml": Provider("CoreMLExecutionProvider", "npu"),
    "acl": Provider("ACLExecutionProvider", "cpu"),
    "xnnpack": Provider("XnnpackExecutionProvider", "cpu"),
}
_NVIDIA = ("cuda", "tensorrt", "tensorrt_rtx")
_TF32_VARIABLE = "NVIDIA_TF32_OVERRIDE"
_TF32_OPTION_SINCE = (1, 18)
_FATAL = 4  # log severity: errors come as exceptions, and would be printed as well


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
                tuple(_PROVIDERS),
                "cpu",
                "What runs the graph; the CPU runs what it leaves.",
                is_hardware=True,
            ),
        }

    def processor_of(self, value: FlagValue) -> str:
        """Return what a provider runs on; the check of the space file comes later."""
        return _PROVIDERS.get(str(value), _PROVIDERS["cpu"]).processor

    def accelerator(self) -> Optional[Dict[str, Any]]:
        """Return the NVIDIA GPU, which some providers run on; of others nothing is known here."""
        gpu = find_gpu()
        return None if gpu is None else {**gpu._asdict(), "processor": "gpu"}

    def toolchain(self) -> str:
        """Return the GPU and its driver, which a provider's caches are for, or nothing."""
        return "" if self.met is None else str(gpu_from_json(self.met))

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
        if _provider(flags) in _NVIDIA and find_gpu() is not None:  # without one, `open` says why
            _prepare_cuda(_provider(flags))
            Cuda().enter()

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Optimize the graph for this CPU and write it down, or see what a provider takes of it."""
        if _provider(flags) != "cpu":
            notes = _check_provider(model / "model.onnx", flags, out_dir)
            shutil.copyfile(str(model / "model.onnx"), str(out_dir / _ARTIFACT))
            return Compiled(_ARTIFACT, {}, notes)
        options = _options(flags)
        options.graph_optimization_level = _level(str(flags["graph_optimization"]))
        options.optimized_model_filepath = str(out_dir / _ARTIFACT)
        _load(model / "model.onnx", options)
        return Compiled(_ARTIFACT, {}, [])

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Load the optimized graph as it is, or let a provider compile it."""
        options = _options(flags)
        if _provider(flags) != "cpu":
            options.graph_optimization_level = _level(str(flags["graph_optimization"]))
            session = _load(compiled / artifact, options, _provider(flags), compiled)
            return OnnxRuntimeSession(session)
        options.graph_optimization_level = _level("disabled")
        return OnnxRuntimeSession(_load(compiled / artifact, options))


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
    provider = _provider(flags)
    session = _load(model, options, provider, out_dir)
    taken, left = 0, 0
    for part in session.get_provider_graph_assignment_info():
        if part.ep_name == _PROVIDERS[provider].name:
            taken += len(part.get_nodes())
        else:
            left += len(part.get_nodes())
    if not taken:
        raise CandidateRejected(
            "onnxruntime.provider: {} must take some of the model, but leaves all {} ops to the "
            "CPU. Choose cpu.".format(provider, left)
        )
    return ["{} of {} ops run on the CPU.".format(left, taken + left)] if left else []


def _provider(flags: Mapping[str, FlagValue]) -> str:
    return str(flags.get("provider", "cpu"))  # what was recorded before there was a choice lacks it


def _provider_options(provider: str, folder: Path) -> Dict[str, str]:
    """Return what makes a provider compile once, in fp32, and for what it is named after."""
    if provider == "cuda":
        return {"use_tf32": "0"} if _runtime_version() >= _TF32_OPTION_SINCE else {}
    if provider == "tensorrt":
        return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}
    return {"backend_type": "htp"} if provider == "qnn" else {}


def _runtime_version() -> Tuple[int, ...]:
    import onnxruntime

    return tuple(int(part) for part in re.findall(r"\d+", str(onnxruntime.__version__))[:2])


def _prepare_cuda(provider: str) -> None:
    """Forbid TF32, then load CUDA and cuDNN from NVIDIA's own wheels, where nothing else looks.

    The variable holds for the whole process, and goes above the option: so it is set where there is
    no option, or where it allows what the option forbids.
    ONNX Runtime loads the libraries since 1.21; before, they come with the first session.
    """
    import onnxruntime

    has_option = "use_tf32" in _provider_options(provider, Path())
    if not has_option or _TF32_VARIABLE in os.environ:
        os.environ[_TF32_VARIABLE] = "0"
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()


def _load(path: Path, options: Any, provider: str = "cpu", folder: Path = Path()) -> Any:
    """Load a model; ``folder`` is where a provider may keep what it compiled.

    Raises:
        CandidateAborted: If the build lacks the provider, or it doesn't start. Both can be mended.
        CandidateRejected: If it can't load the model.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    rejections = (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NoSuchFile,
        errors.NotImplemented,
        errors.RuntimeException,
    )
    name, have = _PROVIDERS[provider].name, onnxruntime.get_available_providers()
    if name not in have:
        raise CandidateAborted(
            "onnxruntime.provider: {} needs a build of ONNX Runtime that has it, but this one has "
            "{}. Install that build, or choose cpu.".format(provider, ", ".join(have))
        )
    if provider in _NVIDIA:
        _prepare_cuda(provider)
    wanted = {name: _provider_options(provider, folder), "CPUExecutionProvider": {}}
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=list(wanted), provider_options=list(wanted.values())
        )
    except rejections as error:
        reason = " ".join(_PREFIX.sub(r"\1: ", str(error)).split())
        raise CandidateRejected("onnxruntime can't load the model: " + reason) from error
    if session.get_providers()[0] != name:  # it would silently compute on the CPU
        raise CandidateAborted(
            "onnxruntime.provider: {} must start, but ONNX Runtime fell back to {}: its libraries "
            "or its device are absent. Add them, or choose cpu.".format(
                provider, session.get_providers()[0]
            )
        )
    return session


ENGINE = OnnxRuntime()
