"""ONNX -> TensorRT plan, with what each generation has.

TensorRT for RTX builds for any of its compute capabilities on a machine without a GPU, because it
compiles kernels when the plan is loaded; the others time kernels on the GPU they build for, and
keep what they timed: a timing cache for each GPU, driver and version.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional, Pattern

from evaluators.engines.nvidia.cuda import Gpu
from evaluators.engines.nvidia.package import Package
from evaluators.failures import CandidateRejected
from evaluators.flag import FlagValue

TENSORRT_ITSELF = "NVIDIA's own packages of tensorrt 10 or 11, or JetPack's"
"""For a GPU that TensorRT for RTX isn't made for, such as a Jetson's or a data centre's."""
_MIB = 2**20
_DEFAULT_LEVEL = 3  # TensorRT's own; levels came with 8.6
# Before strong typing; float8 never had a flag of its own outside it.
_BUILDER_FLAGS = {"fp32": None, "fp16": "FP16", "bf16": "BF16", "int8": "INT8"}
_SOURCE_LOCATION = re.compile(r"\[\S+\.(?:cpp|h):\d+: [\w:]+\] | In \S+ at \S+?\.(?:cpp|h):\d+")
_ERROR_CODE = re.compile(r"^.*?Error Code \d+: ")
_IN_BRACKETS = re.compile(r"^\w+(?: \w+)* \( ?(.*?)[. ]*\)$")
# As TensorRT 10 says it, which counts them, and as 8 does, which only gives their names.
_ELIGIBLE = re.compile(r"Found (\d+) layer|eligible for sparse math:(.*)")
_SPARSE = re.compile(r"Chose (\d+) layer|picked sparse implementation for layers:(.*)")


class Plan(NamedTuple):
    """What a build leaves: the serialized engine, its tensors in the model's order, and notes."""

    data: bytes
    inputs: List[str]
    outputs: List[str]
    notes: List[str]


def build_plan(
    package: Package,
    model: bytes,
    precision: str,
    flags: Mapping[str, FlagValue],
    gpu: Gpu,
) -> Plan:
    """Build a model for a GPU.

    Args:
        package: The TensorRT to build with.
        model: An ONNX file whose types are those of ``precision``.
        precision: As a space file says it.
        flags: Every flag of `evaluators.engines.tensorrt`, and ``sparse_weights`` where weights are
            in a 2:4 pattern.
        gpu: What to build for. Only TensorRT for RTX may build for one that isn't here.

    Raises:
        CandidateRejected: If the package doesn't build for the GPU, lacks an op or the precision.
    """
    trt, dla_core = package.module, int(flags["dla_core"])
    package.log.errors.clear()
    package.log.sparsity.clear()
    try:
        builder = trt.Builder(package.log)
    except TypeError as error:  # what the bindings make of a builder that isn't there
        raise _rejected(package, gpu) from error
    network = builder.create_network(_network_flags(package, on_dla=dla_core >= 0))
    _parse(package, network, model, gpu)
    config = builder.create_builder_config()
    if package.is_rtx:
        _set_capability(package, config, gpu)
    _set_precision(package, network, config, precision, flags)
    _set_limits(package, config, flags)
    notes = [] if dla_core < 0 else _use_dla(package, builder, network, config, dla_core)
    if flags.get("sparse_weights"):
        _allow_sparse_kernels(package, config)
    cache = None if package.is_rtx else _timing_cache_file(package, gpu)
    if cache is not None:
        _load_timing_cache(config, cache)
    data = builder.build_serialized_network(network, config)
    if data is None:
        raise _rejected(package, gpu)
    if cache is not None:
        _keep_timing_cache(config, cache)
    if flags.get("sparse_weights"):
        notes.append(_sparsity_note(package))
    inputs = [network.get_input(index).name for index in range(network.num_inputs)]
    outputs = [network.get_output(index).name for index in range(network.num_outputs)]
    return Plan(bytes(data), inputs, outputs, notes)


def _network_flags(package: Package, *, on_dla: bool) -> int:
    known = package.module.NetworkDefinitionCreationFlag
    if package.is_strongly_typed(on_dla=on_dla):
        # Since 11 it is the only kind there is.
        return 1 << int(known.STRONGLY_TYPED) if hasattr(known, "STRONGLY_TYPED") else 0
    # Before 10 a network needs it, since then it is the only kind.
    return 1 << int(known.EXPLICIT_BATCH) if hasattr(known, "EXPLICIT_BATCH") else 0


def _parse(package: Package, network: Any, model: bytes, gpu: Gpu) -> None:
    parser = package.module.OnnxParser(network, package.log)
    if parser.parse(model):
        return
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    if not errors:
        raise _rejected(package, gpu)
    first = errors[0]
    # Before 8.6 an error has a number in place of its node's name.
    op = first.node_operator() if hasattr(first, "node_operator") else "number"
    node = first.node_name() if hasattr(first, "node_name") else first.node()
    raise CandidateRejected(
        "{} can't read op {} (node {!r}): {}. Replace it, or leave this engine out.".format(
            package.title, op, node, _in_one_line(first.desc())
        )
    )


def _set_capability(package: Package, config: Any, gpu: Gpu) -> None:
    known = package.module.ComputeCapability
    if not hasattr(known, gpu.sm):
        names = ", ".join(sorted(name for name in dir(known) if name.startswith("SM")))
        raise CandidateRejected(
            "{} builds for {}, but {} is {}. Install TensorRT itself: {}.".format(
                package.title, names, gpu.name, gpu.sm, TENSORRT_ITSELF
            )
        )
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(known, gpu.sm), 0)


def _set_precision(
    package: Package,
    network: Any,
    config: Any,
    precision: str,
    flags: Mapping[str, FlagValue],
) -> None:
    known = package.module.BuilderFlag
    if not flags["tf32"]:
        config.clear_flag(known.TF32)  # on unless told otherwise, and then fp32 has 10 bits
    if package.is_strongly_typed(on_dla=int(flags["dla_core"]) >= 0):
        return
    name = _BUILDER_FLAGS.get(precision, "")
    if name is None:
        return
    if not name or not hasattr(known, name):
        raise CandidateRejected(
            "{} must be able to compute in {}, but only later versions are: bf16 from 9, fp8 from "
            "10. Install a later one, or leave it out.".format(package.title, precision)
        )
    config.set_flag(getattr(known, name))
    if precision == "int8" and _has_float16(network):
        config.set_flag(known.FP16)


def _has_float16(network: Any) -> bool:
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    return any(layer.get_output(0).dtype.name == "HALF" for layer in layers if layer.num_outputs)


def _set_limits(package: Package, config: Any, flags: Mapping[str, FlagValue]) -> None:
    level, workspace = int(flags["optimization_level"]), int(flags["workspace_mib"]) * _MIB
    if hasattr(config, "builder_optimization_level"):
        config.builder_optimization_level = level
    elif level != _DEFAULT_LEVEL:
        raise CandidateRejected(
            "tensorrt.optimization_level must be {} before TensorRT 8.6, which brought others, but "
            "is {} with {}.".format(_DEFAULT_LEVEL, level, package.title)
        )
    if not workspace:
        return
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(package.module.MemoryPoolType.WORKSPACE, workspace)
    else:
        config.max_workspace_size = workspace


def _use_dla(package: Package, builder: Any, network: Any, config: Any, dla_core: int) -> List[str]:
    if dla_core >= int(builder.num_DLA_cores):
        raise CandidateRejected(
            "tensorrt.dla_core must be one of this device's {} cores, counted from 0, but is {}. "
            "Choose -1, the GPU.".format(builder.num_DLA_cores, dla_core)
        )
    trt = package.module
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = dla_core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    left = [layer.name for layer in layers if not config.can_run_on_DLA(layer)]
    if len(left) == len(layers):
        raise CandidateRejected(
            "none of the {} layers can run on the DLA. Choose tensorrt.dla_core: -1, the "
            "GPU.".format(len(layers))
        )
    return ["{} of {} layers run on the GPU.".format(len(left), len(layers))] if left else []


def _allow_sparse_kernels(package: Package, config: Any) -> None:
    known = package.module.BuilderFlag
    if not hasattr(known, "SPARSE_WEIGHTS"):
        raise CandidateRejected(
            "{} must have a builder flag SPARSE_WEIGHTS for the pattern 2:4, but has none. Use "
            "another version, or leave the pattern out.".format(package.title)
        )
    config.set_flag(known.SPARSE_WEIGHTS)


def _sparsity_note(package: Package) -> str:
    eligible = _layer_count(package.log.sparsity, _ELIGIBLE)
    sparse = _layer_count(package.log.sparsity, _SPARSE)
    if eligible is None or sparse is None:
        return "{} doesn't say how many layers run on sparse kernels.".format(package.title)
    return "{} of {} layers whose weights have the 2:4 pattern run on sparse kernels.".format(
        sparse, eligible
    )


def _layer_count(lines: List[str], pattern: Pattern[str]) -> Optional[int]:
    found = [match for match in map(pattern.search, lines) if match]
    if not found:
        return None
    number, names = found[-1].groups()
    return int(number) if number else len([name for name in names.split(", ") if name.strip()])


def _timing_cache_file(package: Package, gpu: Gpu) -> Path:
    """Return where the timings for this GPU, driver and version are kept."""
    key = "{}|{}|{}|{}".format(package.title, gpu.name, gpu.sm, gpu.driver)
    root = os.environ.get("EDGE_INFERENCE_SEARCH_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"),
        "edge-inference-search",
    )
    return Path(root) / "tensorrt" / (hashlib.sha256(key.encode()).hexdigest() + ".timing")


def _load_timing_cache(config: Any, path: Path) -> None:
    kept = path.read_bytes() if path.is_file() else b""
    # One that doesn't fit this device is refused, and then an empty one is filled.
    if not config.set_timing_cache(config.create_timing_cache(kept), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _keep_timing_cache(config: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=str(path.parent), delete=False) as file:
        file.write(bytes(config.get_timing_cache().serialize()))
    os.replace(file.name, str(path))


def _rejected(package: Package, gpu: Gpu) -> CandidateRejected:
    errors = [_in_one_line(line) for line in package.log.errors]
    reason = errors[-1] if errors else "it doesn't say why"
    return CandidateRejected(
        "{} can't build the model for {}: {}.".format(package.title, gpu.sm, reason)
    )


def _in_one_line(text: str) -> str:
    """Return a message of TensorRT's without its own source locations."""
    line = " ".join(_SOURCE_LOCATION.sub(" ", _ERROR_CODE.sub("", text)).split())
    return _IN_BRACKETS.sub(r"\1", line).rstrip(". ")
