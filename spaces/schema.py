"""The space file: its sections and keys, as types, and as JSON Schema for editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from spaces.constraints import Constraint, Profile, with_profile
from spaces.dimension_from_yaml import Limits
from spaces.dimensions import Dimension, Fixed
from spaces.errors import Fault, KeyPath, Problem, Source, shown
from spaces.field_types import (
    IMPORTANCES,
    SPARSITY_PATTERNS,
    Connection,
    Duration,
    FileName,
    MeterChoice,
    ObjectiveNames,
    PowerModes,
    Precisions,
    PythonOnBoard,
    Rounds,
    Size,
    Sparsity,
    Word,
    Words,
    Workload,
)
from spaces.objectives import OBJECTIVES
from spaces.section import Section

VERSION = 1
DEFAULT_OBJECTIVES = ("latency_p90_ms", "peak_memory_mib", "power_w", "accuracy")


class Recovery(Section):
    """What may be done where the device went away, before it is given up."""

    reset: Words | None = Field(default=None, examples=[["uhubctl", "-l", "1-1", "-a", "cycle"]])
    """A program on this machine that resets the device or cycles its power."""
    reboot: Words | None = Field(default=None, examples=[["sudo", "-n", "reboot"]])
    """A program on the board that reboots it."""
    wait_s: Duration = Field(default=600.0, alias="wait", examples=["10m"])
    """How long to go on waiting for it after all of that."""


class Device(Section):
    """Where the model must run, and with what."""

    name: FileName = Field(examples=["coral-usb"])
    """A name for the hardware, as reports show it."""
    engines: Words = Field(examples=[["onnxruntime"]])
    """Engines to search; several make the engine itself a dimension. The baseline runs on the
    first."""
    rated_power_w: float | None = Field(default=None, gt=0, examples=[2.0])
    """Power of the device at full load, watts: for an estimate where no meter exists."""
    meter: MeterChoice = Field(default=None, examples=["rapl", {"command": ["read_wall_meter.py"]}])
    """What measures power: a meter's name, or a program that prints watts; the best meter found if
    left out."""
    connect: Connection = Field(
        default=(), examples=["local", "ssh://pi@raspberrypi", ["ssh://pi@pi-1", "ssh://pi@pi-2"]]
    )
    """``local``, ``ssh://user@host[:port]``, or a list of such boards, all of one kind: each then
    measures another trial."""
    python: PythonOnBoard = Field(default="python3", examples=["venv/bin/python"])
    """The board's interpreter: a name on its PATH, or a path, relative to the home folder there."""
    recovery: Recovery = Field(default_factory=Recovery)
    cpu_model: Word | None = Field(default=None, examples=["Intel"])
    """A part of the CPU's or board's name that tells the device from other machines."""
    if_absent: Literal["host-cpu", "estimate", "fail"] = Field(
        default="fail", examples=["host-cpu"]
    )
    """Without the device: measure on this machine's CPU and say so, take the latency from an
    estimate and say so, or fail."""


class Budget(Section):
    """When the search ends: at whichever comes first."""

    trials: int = Field(default=30, gt=0, le=1_000_000, examples=[30])
    """Trials in total, a resumed run's earlier ones included."""
    timeout_s: Duration | None = Field(default=None, alias="timeout", examples=["8h"])
    """Wall time: 90s, 5m, 1h30m, or a number of seconds."""


class ChildLimits(Section):
    """What one child process may take before it is stopped."""

    stage_timeout_s: Duration = Field(default=600.0, alias="stage_timeout", examples=["10m"])
    """Wall time of one stage: 10m if left out."""
    memory_bytes: Size | None = Field(default=None, alias="memory", examples=["8GiB"])
    """Memory of one child; chosen from the machine's if left out."""


class Measuring(Section):
    """How numbers are measured, watched for drift and confirmed."""

    duration_s: Duration = Field(default=0.5, alias="duration", examples=["0.5s"])
    """Least time that the latency of one artifact is measured; throughput takes 0.3 of it more."""
    attempts: int = Field(default=3, gt=0, le=100, examples=[3])
    """How often a measurement is made, at most, that other work or throttling disturbs."""
    canary_interval_s: Duration = Field(default=120.0, alias="canary_interval", examples=["2m"])
    """How often the baseline is timed again, to see whether the machine has changed."""
    rounds: Rounds = Field(default=3, examples=[3])
    """How often the front is measured again before it is published; 0 leaves that out."""


class Pruning(Section):
    """How channels are chosen for removal."""

    importance: Annotated[
        Dimension, Limits("word", words=IMPORTANCES, remedy="Use a list, e.g. [l2, l1].")
    ] = Field(default=Fixed("l2"), examples=["l2"])
    """What ranks a channel: the l2 or l1 norm of its weights, or its BatchNorm scale."""
    round_to: Annotated[
        Dimension, Limits("integer", at_least=1, remedy="Use a multiple such as 8 or 16.")
    ] = Field(default=Fixed(16), examples=[16])
    """Layers keep a multiple of so many channels, which keeps them fast; narrow ones of half, or a
    quarter, as many."""


class Distillation(Section):
    """Fine-tuning of the pruned student by the unpruned teacher."""

    epochs: Annotated[
        Dimension, Limits("integer", at_least=0, remedy="Use a list, e.g. [0, 1, 2, 4].")
    ] = Field(examples=[[0, 1, 2, 4]])
    """Epochs of training; 0 is none."""
    temperature: Annotated[
        Dimension, Limits("number", above=0, remedy="Use e.g. {min: 1, max: 10, log: true}.")
    ] = Field(default=Fixed(4.0), examples=[{"min": 1, "max": 10, "log": True}])
    """Divides teacher's and student's logits before the softmax."""
    alpha: Annotated[
        Dimension, Limits("number", at_least=0, at_most=1, remedy="Use e.g. {min: 0.1, max: 0.9}.")
    ] = Field(default=Fixed(0.5), examples=[{"min": 0.1, "max": 0.9}])
    """The teacher's share of the loss; the rest is the task's own."""


class SearchSpace(Section):
    """What may vary. A range is {min, max, step, log}, a list a choice, a bare value is fixed."""

    sparsity: Sparsity = Field(default=Fixed(0.0), examples=[{"min": 0, "max": 0.8, "step": 0.05}])
    """Fraction of channels removed: one for the model, or one for each group of layers."""
    sparsity_pattern: Annotated[
        Dimension,
        Limits("word", words=SPARSITY_PATTERNS, remedy='Use a list, e.g. [dense, "2:4"].'),
    ] = Field(default=Fixed("dense"), examples=[["dense", "2:4"]])
    """Zeros among the weights that are left: 2:4 is two of every four along the input channels, for
    engines with kernels that skip them."""
    precision: Precisions | None = Field(default=None, examples=[["fp32", "int8"]])
    """Precisions to search; all that the engines have if left out."""
    pruning: Pruning = Field(default_factory=Pruning)
    quantization: Mapping[str, Annotated[Dimension, Limits()]] = Field(
        default_factory=dict, examples=[{"per_channel": [True, False]}]
    )
    """Settings of the quantizer, by name."""
    distillation: Distillation = Field(
        default_factory=lambda: Distillation.model_construct(epochs=Fixed(0))
    )
    engine_flags: Mapping[str, Mapping[str, Annotated[Dimension, Limits()]]] = Field(
        default_factory=dict, examples=[{"onnxruntime": {"threads": [1, 2]}}]
    )
    """Flags by engine; one left out is searched over the engine's own range."""
    power_mode: PowerModes = Field(
        default=None, examples=[["governor:powersave", "governor:performance"]]
    )
    """What the device is set to while a candidate is measured; left alone if left out."""


class Space(Section):
    """What a space file says, complete: defaults and the profile's constraints are filled in."""

    version: int = Field(ge=VERSION, le=VERSION, examples=[VERSION])
    """Version of the file format."""
    name: FileName = Field(examples=["coral"])
    """Name of the run and its folder."""
    workload: Workload = Field(examples=["workload.py:MyWorkload"])
    """Model, data and metric: file.py:Class relative to this file, package.module:Class, or the
    files of an ONNX model."""
    batch_size: int = Field(default=1, gt=0, le=65_536, examples=[1])
    """Samples in one inference."""
    device: Device
    """Where the model must run."""
    budget: Budget = Field(default_factory=Budget)
    limits: ChildLimits = Field(default_factory=ChildLimits)
    measuring: Measuring = Field(default_factory=Measuring)
    objectives: ObjectiveNames = Field(default=DEFAULT_OBJECTIVES, examples=[["latency_p90_ms"]])
    """Axes of the front."""
    profile: Profile | None = Field(default=None, examples=["embedded"])
    """Constraints for a class of devices; those written out win."""
    constraints: Mapping[str, Constraint] = Field(
        default_factory=dict, validate_default=True, examples=[{"accuracy": {"max_drop": 0.02}}]
    )
    """Bounds by objective, in its own unit or relative to the baseline."""
    search: SearchSpace = Field(default_factory=SearchSpace)

    _path: Path = PrivateAttr(default=Path())
    _source: Source = PrivateAttr(default=Source(""))
    _document: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    _overrides: tuple[str, ...] = PrivateAttr(default=())

    @field_validator("constraints", mode="after")
    @classmethod
    def _fill_in_profile(
        cls, constraints: Mapping[str, Constraint], info: ValidationInfo
    ) -> Mapping[str, Constraint]:
        return with_profile(constraints, info.data.get("profile"))

    def located(
        self, path: Path, source: Source, document: Mapping[str, Any], overrides: Sequence[str]
    ) -> Space:
        """Return this space with where it came from, which `load_space` knows."""
        self._path, self._source, self._document = path, source, document
        self._overrides = tuple(overrides)
        return self

    @property
    def file(self) -> Path:
        """The space file itself."""
        return self._path

    @property
    def folder(self) -> Path:
        """Folder of the space file, which its relative paths start from."""
        return self._path.parent

    @property
    def document(self) -> Mapping[str, Any]:
        """What the file and ``--set`` say, as plain data that JSON can hold."""
        return self._document

    @property
    def overrides(self) -> tuple[str, ...]:
        """What ``--set`` changed, as it was given."""
        return self._overrides

    @property
    def unresolved_objectives(self) -> tuple[str, ...]:
        """Names in objectives and constraints that only the workload or an engine can explain."""
        names = dict.fromkeys([*self.objectives, *self.constraints])
        return tuple(name for name in names if name not in OBJECTIVES)

    def problem(self, path: str | KeyPath, rule: str, value: object, remedy: str) -> Problem:
        """Locate in the file something that only a later layer can know to be wrong.

        Args:
            path: Dotted, or a tuple where a key has dots itself.
            rule: Follows the key in the sentence: ``must be ...``.
            value: What the file says; None for a rule that needs no value.
            remedy: A sentence.
        """
        keys = tuple(path.split(".")) if isinstance(path, str) else path
        text = "" if value is None else shown(value)
        return self._source.problem(Fault(keys, rule, text, remedy))
