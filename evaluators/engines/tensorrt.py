"""TensorRT 8.2 to 11, and TensorRT for RTX, on the NVIDIA GPU that CUDA puts first.

Precision is written into the model, as strongly typed networks want it: float16 or bfloat16 weights
and arithmetic, or Q/DQ nodes for int8 and float8. Before TensorRT 10 the builder gets the matching
flag as well, without which it doesn't look at those kernels.

Whether the builder may try sparse kernels is no flag that varies: they need weights in a 2:4
pattern, and are allowed where a candidate has it. The timing cache isn't one either: it is always
kept.

``compile`` leaves::

    model.plan   the serialized engine, for one GPU, driver and version
    io.json      {"inputs": [...], "outputs": [...]}: names in the model's own order
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from evaluators.engines.engine import Compiled, Engine, Missing, Session
from evaluators.engines.nvidia.build import TENSORRT_ITSELF, build_plan
from evaluators.engines.nvidia.cuda import LIBRARY, Cuda, Gpu, find_gpu, gpu_from_json
from evaluators.engines.nvidia.package import installed_package, is_rtx, load_package
from evaluators.engines.nvidia.session import TensorRtSession
from evaluators.flag import Flag, FlagValue

_ARTIFACT, _IO_FILE = "model.plan", "io.json"
_BOARD_FILE = Path("/proc/device-tree/model")
_WITH_DLA = ((7, 2), (8, 7))
"""Xavier and Orin. Other Jetsons have no DLA; an Orin Nano has none either, and says so."""
_TF32, _BF16, _FP8, _SPARSE = (8, 0), (8, 0), (8, 9), (8, 0)
_NOT_FOR_RTX = ((5, 3), (6, 2), (7, 0), (7, 2), (8, 7), (9, 0), (10, 0), (10, 3), (11, 0))
"""Jetsons and data centres, as 1.7 has it; what else a package doesn't build for, a build says."""
_RTX_DISTRIBUTION = "tensorrt-rtx-cu13-bindings"


class TensorRt(Engine):
    """NVIDIA's compiler and runtime."""

    name = "tensorrt"
    forms: Mapping[str, str] = {
        "fp32": "onnx",
        "fp16": "onnx_fp16",
        "bf16": "onnx_bf16",
        "int8": "onnx_int8_symmetric",
        "fp8": "onnx_fp8",
    }
    extra = "tensorrt-rtx"
    processor = "gpu"
    is_from_pip = False
    has_device_memory = True
    sparsity_patterns: Mapping[str, Mapping[str, FlagValue]] = {"2:4": {"sparse_weights": True}}

    def __init__(self) -> None:
        self.module = installed_package() or "tensorrt"
        self.distribution = _RTX_DISTRIBUTION if is_rtx(self.module) else "tensorrt"

    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return every flag; one that this GPU or package would ignore has only its default."""
        gpu, rtx = self._gpu(), is_rtx(self.module)
        capability = (0, 0) if gpu is None else gpu.capability
        has_dla = capability in _WITH_DLA and not rtx
        return {
            "optimization_level": Flag(
                (3,) if rtx else (0, 1, 2, 3, 4, 5), 3, "How long the builder looks for kernels."
            ),
            "workspace_mib": Flag(
                (0, 16, 64, 256), 0, "Scratch memory of one layer; 0 is no limit.", minimum=0
            ),
            "tf32": Flag(
                (False, True) if capability >= _TF32 else (False,),
                False,
                "Products of float32 with 10 bits of mantissa.",
                precisions=("fp32", "int8", "fp8"),
            ),
            "cuda_graph": Flag((False, True), False, "All launches of an inference as one."),
            "streams": Flag((1, 2, 4), 1, "Batches at once where all are there.", minimum=1),
            "dla_core": Flag(
                (-1, 0, 1) if has_dla else (-1,),
                -1,
                "Core of a Jetson's DLA; -1 is the GPU.",
                precisions=("fp16",),
            ),
        }

    def missing(self) -> Optional[Missing]:
        """Return what is absent: the GPU, or a TensorRT for it that this Python can import."""
        gpu = find_gpu()
        if gpu is None:
            return Missing(
                "an NVIDIA GPU that its driver ({}) finds".format(LIBRARY),
                "the GPU and NVIDIA's driver; nvidia-smi, or on a Jetson tegrastats, then shows it",
            )
        if installed_package() is None:
            return missing_package(_board())
        if is_rtx(self.module) and gpu.capability in _NOT_FOR_RTX:
            what = "TensorRT itself: that for RTX isn't made for {}, which is {}"
            return Missing(what.format(gpu.name, gpu.sm), TENSORRT_ITSELF)
        return None

    def accelerator(self) -> Optional[Dict[str, Any]]:
        """Return the GPU, and the module that is TensorRT."""
        gpu = find_gpu()
        return None if gpu is None else {**gpu._asdict(), "module": self.module}

    def meet(self, accelerator: Optional[Mapping[str, Any]]) -> None:
        """Take note of the device's GPU and of which TensorRT it has."""
        super().meet(accelerator)
        if accelerator is not None:
            self.module = str(accelerator["module"])

    def _gpu(self) -> Optional[Gpu]:
        """Return the GPU of the device, which is this machine's where no other was met."""
        return find_gpu() if self.met is None else gpu_from_json(self.met)

    def toolchain(self, flags: Mapping[str, FlagValue]) -> str:
        """Return the GPU and its driver, which a plan is for."""
        return str(self._gpu())

    def refusal(self, precision: str, flags: Mapping[str, FlagValue]) -> Optional[str]:
        """Refuse what the GPU, or its DLA, has no instructions for."""
        gpu, complete = self._gpu(), self._complete(flags)
        refused = _dla_refusal(precision, int(complete["dla_core"]))
        if refused is None and flags.get("sparse_weights"):
            refused = _sparsity_refusal(precision, complete, gpu, rtx=is_rtx(self.module))
        return refused if refused or gpu is None else hardware_refusal(precision, gpu)

    def thread_count(self, flags: Mapping[str, FlagValue]) -> int:
        """Return 1: the CPU only launches."""
        return 1

    def load_runtime(self) -> str:
        """Import TensorRT and make the GPU's context, so that neither counts as the model's."""
        cuda = Cuda()
        cuda.enter()
        return "{} on {}, driver {}".format(
            load_package().title, cuda.gpu().name, cuda.gpu().driver
        )

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Build the plan for the GPU that is here."""
        return compile_for(Cuda().gpu(), model, precision, self._complete(flags), out_dir)

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Load the plan."""
        names = json.loads((compiled / _IO_FILE).read_text(encoding="utf-8"))
        plan, complete = (compiled / artifact).read_bytes(), self._complete(flags)
        return TensorRtSession(
            Cuda(), load_package(), plan, names["inputs"], names["outputs"], complete
        )

    def _complete(self, flags: Mapping[str, FlagValue]) -> Mapping[str, FlagValue]:
        """Add the defaults of flags that don't matter for a precision: a search leaves them out."""
        return {**{name: flag.default for name, flag in self.flags(1).items()}, **flags}


def compile_for(
    gpu: Gpu, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
) -> Compiled:
    """Build the plan for a GPU, which TensorRT for RTX needs no sight of.

    Raises:
        CandidateRejected: If it can't be built.
    """
    source = (model / "model.onnx").read_bytes()
    plan = build_plan(load_package(), source, precision, flags, gpu)
    (out_dir / _ARTIFACT).write_bytes(plan.data)
    names = {"inputs": plan.inputs, "outputs": plan.outputs}
    (out_dir / _IO_FILE).write_text(json.dumps(names), encoding="utf-8")
    return Compiled(_ARTIFACT, {}, plan.notes)


def hardware_refusal(precision: str, gpu: Gpu) -> Optional[str]:
    """Return why a GPU can't compute in a precision, or None.

    References:
        NVIDIA, TensorRT support matrix, "Hardware and Precision".
    """
    has = {
        "fp32": True,
        "fp16": gpu.capability in ((5, 3), (6, 0), (6, 2)) or gpu.capability >= (7, 0),
        "int8": gpu.capability >= (6, 1) and gpu.capability != (6, 2),
        "bf16": gpu.capability >= _BF16,
        "fp8": gpu.capability >= _FP8,
    }
    if has[precision]:
        return None
    offers = ", ".join(name for name, there in has.items() if there)
    return (
        "{} on tensorrt needs {}, but {} is {}: it has no such instructions, only {}. Leave {} out."
    ).format(precision, _NEEDS[precision], gpu.name, gpu.sm, offers, precision)


_NEEDS = {
    "fp16": "a GPU with fast float16, as all since Volta (SM70) are",
    "int8": "a Pascal GPU (SM61) or a later one; a Jetson Nano is a Maxwell, a TX2 has none either",
    "bf16": "an Ampere GPU (SM80) or a later one",
    "fp8": "an Ada GPU (SM89) or a later one",
}


def missing_package(board: str) -> Missing:
    """Return what brings TensorRT to a board by its name; another machine's is empty."""
    if "Jetson Nano" in board and "Orin" not in board:
        return Missing(
            "TensorRT for Python 3.7 or later, while JetPack 4, the last one of a {}, has it for "
            "Python 3.6 alone".format(board),
            "nothing. Use a Jetson with JetPack 5 or later, or this one's CPU, with onnxruntime or "
            "litert",
        )
    if board:
        return Missing(
            "the Python package tensorrt of this Python version",
            "sudo apt-get install python3-libnvinfer (JetPack's, for the system's Python)",
        )
    return Missing(
        "the Python package tensorrt, or TensorRT for RTX",
        "pip install 'edge-inference-search[tensorrt-rtx]' on Turing, Ampere, Ada and Blackwell "
        "RTX, or NVIDIA's own packages of tensorrt 10 or 11",
    )


def _dla_refusal(precision: str, dla_core: int) -> Optional[str]:
    if dla_core < 0 or precision == "fp16":
        return None
    return (
        "tensorrt.dla_core: {} needs fp16, but precision is {}. A DLA computes in fp16 and int8, "
        "and takes no Q/DQ nodes, which int8 here is made of. Choose -1, the GPU.".format(
            dla_core, precision
        )
    )


def _sparsity_refusal(
    precision: str, flags: Mapping[str, FlagValue], gpu: Optional[Gpu], *, rtx: bool
) -> Optional[str]:
    """Return why no kernel could skip the zeros of a 2:4 pattern, or None.

    TensorRT for RTX (1.7) has the builder's flag and says nothing of sparse layers; of a net of 256
    channels it built the same plan, to the byte, with the flag and without, at four precisions.

    References:
        NVIDIA, PTX ISA, "Matrix multiply-accumulate operation using mma.sp instructions".
    """
    if rtx:
        lacks = "TensorRT for RTX doesn't say that it uses any"
        remedy = "Take NVIDIA's tensorrt itself"
    elif int(flags["dla_core"]) >= 0:
        lacks, remedy = "a DLA has none", "Choose tensorrt.dla_core: -1, the GPU"
    elif precision == "fp32" and not flags["tf32"]:
        lacks, remedy = "fp32 has none", "Choose another precision, or tensorrt.tf32: true"
    elif gpu is not None and gpu.capability < _SPARSE:
        lacks = "{} is {} and has none".format(gpu.name, gpu.sm)
        remedy = "Take an Ampere GPU (SM80) or a later one"
    else:
        return None
    return (
        "sparsity_pattern 2:4 on tensorrt needs instructions for sparse weights, but {}. {}, or "
        "leave 2:4 out."
    ).format(lacks, remedy)


def _board() -> str:
    try:
        return _BOARD_FILE.read_text(errors="replace").rstrip("\0")
    except OSError:
        return ""


ENGINE = TensorRt()
