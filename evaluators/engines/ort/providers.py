"""ONNX Runtime's execution providers: what each runs on, is told, and needs before it starts.

NVIDIA's compute fp32 as it is, without TF32, whose products have 10 bits of mantissa and which they
use by default.

References:
    ONNX Runtime, "CUDA Execution Provider": use_tf32, since 1.18; an older one refuses the option.
    NVIDIA, "TensorRT Developer Guide", TF32: NVIDIA_TF32_OVERRIDE=0 in the environment, which its
    libraries put above what a program asks them for.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Tuple

from evaluators.failures import CandidateAborted, CandidateRejected
from evaluators.flag import FlagValue

_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : (\w+) : (?:Load model from .*? failed:)?")


class Provider(NamedTuple):
    """One execution provider: ONNX Runtime's name for it, and what it runs on."""

    name: str
    processor: str


PROVIDERS = {
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
NVIDIA = ("cuda", "tensorrt", "tensorrt_rtx")
_TF32_VARIABLE = "NVIDIA_TF32_OVERRIDE"
_TF32_OPTION_SINCE = (1, 18)


def provider_of(flags: Mapping[str, FlagValue]) -> str:
    """Return the provider that flags choose."""
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


def prepare_cuda(provider: str) -> None:
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


def load_model(path: Path, options: Any, provider: str = "cpu", folder: Path = Path()) -> Any:
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
    name, have = PROVIDERS[provider].name, onnxruntime.get_available_providers()
    if name not in have:
        raise CandidateAborted(
            "onnxruntime.provider: {} needs a build of ONNX Runtime that has it, but this one has "
            "{}. Install that build, or choose cpu.".format(provider, ", ".join(have))
        )
    if provider in NVIDIA:
        prepare_cuda(provider)
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
