"""What every engine file provides: which models it eats, which flags may vary, compile, open.

An engine knows how to build and how to run, and nothing about timing. Its file is imported on the
device, where there may be only CPython 3.7, NumPy and the engine's own runtime, so the runtime is
imported inside the methods that need it and nothing here imports torch.

A new engine is one file in this folder that ends in ``ENGINE = MyEngine()``.
"""

from __future__ import annotations

import abc
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Type

import numpy as np

from evaluators.flag import Flag, FlagValue


class Missing(NamedTuple):
    """Something an engine needs and this machine lacks, and the command that adds it."""

    what: str
    remedy: str


class Figure(NamedTuple):
    """Something that an engine's compiler tells of what it compiled; it may be an objective.

    ``direction`` is ``minimize`` or ``maximize``. ``provenance`` is ``measured`` for what is a fact
    of the compiled file, such as a number of ops, or ``estimated: by what``.
    """

    direction: str
    provenance: str


class Compiled(NamedTuple):
    """What a compiler left behind: the file to ship, and what it said about it.

    ``artifact`` is a file name inside the compile stage's output folder. ``metrics`` are the
    engine's `Figure`s by name, as far as the compiler told them; ``notes`` are lines for a person.
    ``latency_s`` is the estimate of one inference, None where there is none or part of the model
    is left out of it.
    """

    artifact: str
    metrics: Dict[str, float]
    notes: List[str]
    latency_s: Optional[float] = None


class DeviceMemory(NamedTuple):
    """Bytes of an accelerator's own memory that one session holds, and who says so."""

    size_bytes: int
    method: str


class Session(abc.ABC):
    """One loaded artifact. ``prepare`` and ``decode`` are never timed; ``infer`` is all that is.

    Inputs and outputs are lists in the order of the model's own inputs and outputs, in the layout
    of the original model (NCHW for images). ``prepare`` turns them into what the artifact itself
    takes: its layout, and its integer type where it is quantized, as an application would hold
    them already.
    """

    @abc.abstractmethod
    def prepare(self, inputs: Sequence[np.ndarray]) -> Any:
        """Return one batch in the artifact's own layout and type, owned by the caller."""

    @abc.abstractmethod
    def infer(self, prepared: Any) -> Any:
        """Run one prepared batch and block until its outputs lie in host memory."""

    @abc.abstractmethod
    def decode(self, raw: Any) -> List[np.ndarray]:
        """Return the outputs of ``infer`` as float32 (or integer, where the model's are) copies."""

    def infer_all(self, prepared: Sequence[Any]) -> None:
        """Run every batch as fast as the engine can; engines with streams overlap them."""
        for batch in prepared:
            self.infer(batch)

    def device_time_s(self, prepared: Any) -> Optional[float]:
        """Return the device's own time for one batch, or None where it keeps none. It is untimed.

        It is what the runtime's own tools print: `infer` takes longer by copies and by launching.
        """
        return None

    def device_memory(self) -> Optional[DeviceMemory]:
        """Return what of the device's own memory is taken, or None where it has none."""
        return None

    def disagreement(self, batches: Sequence[Sequence[np.ndarray]]) -> Optional[str]:
        """Say how far answers are from those of the same model on the CPU, or None if they agree.

        Only where another processor runs what another compiler made is there anything to say.
        """
        return None

    @abc.abstractmethod
    def close(self) -> None:
        """Free everything. Calling it twice is fine."""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class Engine(abc.ABC):
    """The software that compiles and runs a model on one kind of device.

    Attributes:
        name: As written in a space file.
        forms: Portable form eaten for each precision, e.g. ``{"fp32": "onnx", "int8":
            "onnx_int8"}``. A form is a module of ``evaluators.quantize``, or what
            ``evaluators.export`` writes.
        default_precision: The highest precision, which the baseline runs at.
        distribution: The package that brings the runtime, as pip knows it.
        module: The module whose import is the runtime.
        extra: The extra of this project that installs it.
        processor: What inference runs on, one of `evaluators.meters.meter.WHOLE_BOARD`: a meter has
            to measure that.
        compiles_on_host: Whether it compiles where the search runs, for a device that may be
            elsewhere; otherwise it compiles on the device.
        stand_in_artifact: What `compile` leaves for a stand-in to run in the artifact's place; None
            where the artifact itself runs there.
        is_from_pip: Whether ``pip install`` of ``distribution`` is all that a board needs.
        processor_flag: The flag that decides what inference runs on, where one does.
        has_device_memory: Whether its sessions tell `Session.device_memory`.
        met: What `meet` was told last.
        figures: What its compiler adds to what is measured: SI name, ending in its unit where it
            has one (``_bytes``), -> what it is.
        estimated_by: What estimates the latency where the device is absent; empty where nothing
            does.
        has_stand_in: False where a CPU's latency says nothing of the device's.
        sparsity_patterns: Patterns of zeros among weights that it has kernels for, such as ``2:4``,
            each with the flags that `compile` and `refusal` get for such weights beside those that
            vary.
    """

    name: str = ""
    forms: Mapping[str, str] = {}
    default_precision: str = "fp32"
    distribution: str = ""
    module: str = ""
    extra: str = ""
    processor: str = "cpu"
    compiles_on_host: bool = False
    stand_in_artifact: Optional[str] = None
    is_from_pip: bool = True
    processor_flag: str = ""
    has_device_memory: bool = False
    met: Optional[Mapping[str, Any]] = None
    figures: Mapping[str, Figure] = {}
    estimated_by: str = ""
    has_stand_in: bool = True
    sparsity_patterns: Mapping[str, Mapping[str, FlagValue]] = {}

    @abc.abstractmethod
    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return every flag that may vary on a device with ``cpu_count`` usable CPUs."""

    def missing(self) -> Optional[Missing]:
        """Return what keeps this engine from running here, or None."""
        import importlib.util

        if importlib.util.find_spec(self.module.split(".")[0]) is not None:
            return None
        return Missing(
            "the Python package {}".format(self.distribution),
            "pip install 'edge-inference-search[{}]'".format(self.extra),
        )

    def missing_compiler(self) -> Optional[Missing]:
        """Return what the machine that searches lacks to compile, without which nothing goes on.

        Only an engine that ``compiles_on_host`` has any; others say all that they need by
        `missing`, on the device.
        """
        return None

    def stand_in_reason(self) -> Optional[str]:
        """Return why this engine can only be measured on a stand-in here, or None."""
        return None

    def compiler_reason(self) -> Optional[str]:
        """Return why this machine can't compile, so that only a stand-in can be measured."""
        return None

    def installed_distribution(self) -> str:
        """Return the package that the runtime here comes from, where several may bring it."""
        return self.distribution

    def distribution_of(self, said: str) -> str:
        """Return the package of a runtime of which `load_runtime` said this, here or elsewhere."""
        return self.distribution

    def version(self) -> Optional[str]:
        """Return the runtime's version without importing it, or None where nothing says it."""
        try:
            from importlib import metadata  # novm: Python 3.8 has it
        except ImportError:
            return None
        try:
            return metadata.version(self.installed_distribution())
        except metadata.PackageNotFoundError:
            return None

    def processor_of(self, value: FlagValue) -> str:
        """Return what inference runs on with a value of ``processor_flag``."""
        return self.processor

    def accelerator(self) -> Optional[Dict[str, Any]]:
        """Return facts of the accelerator that is here, as JSON, or None where a CPU does it all.

        Its ``name`` is for people. Where `processor_flag` decides whether it is used, its
        ``processor`` is what `processor_of` then returns.
        """
        return None

    def meet(self, accelerator: Optional[Mapping[str, Any]]) -> None:
        """Take note of the device's accelerator, which flags and refusals may depend on.

        The device may be another machine than this one.
        """
        self.met = accelerator

    def unknown_figures(self) -> Mapping[str, str]:
        """Return the figures that can't be known here, each with the reason."""
        return {}

    def toolchain(self, flags: Mapping[str, FlagValue]) -> str:
        """Return what compiles beside the runtime with flags, so that the store tells it apart."""
        return ""

    def flags_with(
        self, flags: Mapping[str, FlagValue], pattern: Optional[str]
    ) -> Dict[str, FlagValue]:
        """Return flags with those that weights in a pattern of zeros need; None is no pattern."""
        return {**flags, **(self.sparsity_patterns.get(pattern, {}) if pattern else {})}

    def refusal(self, precision: str, flags: Mapping[str, FlagValue]) -> Optional[str]:
        """Return why this combination can't work, before anything is built, or None."""
        return None

    def thread_count(self, flags: Mapping[str, FlagValue]) -> int:
        """Return how many CPUs inference uses, so that the worker can be pinned to as many."""
        return int(flags.get("threads", 1))

    @abc.abstractmethod
    def load_runtime(self) -> str:
        """Import the runtime, so that its own footprint is known before a model is loaded.

        Returns:
            The runtime's version.
        """

    def start_accelerator(self, flags: Mapping[str, FlagValue]) -> None:
        """Start what the flags choose to run on, so that it doesn't count as the model's memory.

        It follows `load_runtime`, which is all where the flags don't choose.
        """
        return

    @abc.abstractmethod
    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Compile the portable model in folder ``model`` into ``out_dir``, which is empty.

        Raises:
            CandidateRejected: If the engine can't compile it, naming the op and the reason.
        """

    @abc.abstractmethod
    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Load ``artifact`` from folder ``compiled`` with the flags it was compiled for.

        Raises:
            CandidateRejected: If the engine can't load it.
        """
