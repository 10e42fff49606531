"""The types of a space file's single values: how each is checked, and its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from spaces.connection import BOARD_PATTERN, CONNECT_PATTERN, Ssh, boards_from_text
from spaces.dimension_from_yaml import RANGE_KEYS, Limits, refuse
from spaces.dimensions import Dimension
from spaces.errors import Fault, shown
from spaces.foreign_words import is_range_word
from spaces.objectives import OBJECTIVES, likely_objective
from spaces.quantities import DURATION_PATTERN, SIZE_PATTERN, duration_s, size_bytes
from spaces.section import Section

PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp8")
IMPORTANCES = ("l2", "l1", "bn_scale")
SPARSITY_PATTERNS = ("dense", "2:4")

FEWEST_ROUNDS, MOST_ROUNDS = 3, 99
"""Of confirmation: of two values nobody can say which one was disturbed."""

_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_PYTHON_PATTERN = r"^[A-Za-z0-9_./][A-Za-z0-9_./+-]*$"
_WORKLOAD_PATTERN = r"^([^:]+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):[A-Za-z_]\w*$"
_POWER_MODE_PATTERN = r"^[a-z_]+:[^\s:+]+(\+[a-z_]+:[^\s:+]+)*$"
_PRECISION = Limits("word", words=PRECISIONS, remedy="Use a list, e.g. [fp32, int8].")
_SPARSITY = Limits("number", at_least=0, below=1, remedy="Use a fraction, e.g. 0.8.")
_POWER_MODE = Limits("word", remedy="Use a list, e.g. [governor:powersave, governor:performance].")

Word = Annotated[str, Field(min_length=1)]
Words = Annotated[tuple[Word, ...], Field(strict=False, min_length=1)]


class OnnxFiles(Section):
    """A model that exists only as ONNX: it can't be pruned or trained."""

    onnx: str = Field(min_length=1, examples=["model.onnx"])
    """The model, relative to the space file."""
    data: str = Field(min_length=1, examples=["data.npz"])
    """An .npz with one array for each input, and ``targets``."""


class MeterCommand(Section):
    """A meter that is a program of the person's own."""

    command: Words = Field(examples=[["read_wall_meter.py", "--watts"]])
    """The program and its arguments; it prints watts, one number a line."""


def _name(raw: str) -> str:
    if not re.fullmatch(_NAME_PATTERN, raw):
        raise ValueError("must be up to 64 letters, digits, dots, dashes or underscores")
    return raw


def _python(raw: str) -> str:
    if not re.fullmatch(_PYTHON_PATTERN, raw):
        raise ValueError("must be a program's name or path without spaces, such as python3")
    return raw


def _workload(raw: object) -> str | OnnxFiles:
    if isinstance(raw, dict):
        return OnnxFiles.model_validate(raw)
    if not isinstance(raw, str) or not re.fullmatch(_WORKLOAD_PATTERN, raw):
        raise ValueError("must be file.py:Class, package.module:Class or {onnx: ..., data: ...}")
    return raw


def _meter(raw: object) -> str | MeterCommand:
    if isinstance(raw, dict):
        return MeterCommand.model_validate(raw)
    if not isinstance(raw, str) or not raw:
        raise ValueError("must be a meter or {command: [program, argument, ...]}")
    return raw


def _objective(raw: str) -> str:
    likely = likely_objective(raw)
    if likely is not None:
        refuse([Fault((), "must name objectives", shown(raw), f"Did you mean {likely}?")])
    return raw


def _rounds(raw: int) -> int:
    if raw != 0 and not FEWEST_ROUNDS <= raw <= MOST_ROUNDS:
        raise ValueError(f"must be 0 or a whole number from {FEWEST_ROUNDS} to {MOST_ROUNDS}")
    return raw


def _precisions(raw: object) -> tuple[str, ...]:
    refuse(_PRECISION.faults(raw))
    return tuple(raw) if isinstance(raw, list) else (str(raw),)


def _sparsity(raw: object) -> Dimension | Mapping[str, Dimension]:
    """Tell a range from groups of layers: only a range has our range words, or another tool's."""
    if not isinstance(raw, dict) or any(key in RANGE_KEYS or is_range_word(key) for key in raw):
        return _SPARSITY.dimension(raw)
    if not raw:
        refuse([Fault((), "must be a range or groups of layers", "{}", _SPARSITY.remedy)])
    refuse(
        Fault((group, *fault.path), fault.rule, fault.shown, fault.remedy)
        for group, dimension in raw.items()
        for fault in _SPARSITY.faults(dimension)
    )
    return {group: _SPARSITY.dimension(dimension) for group, dimension in raw.items()}


def _power_mode(raw: object) -> Dimension:
    """Check how modes are written; which ones there are, only the device knows."""
    refuse(_POWER_MODE.faults(raw))
    refuse(_mode_faults([str(mode) for mode in (raw if isinstance(raw, list) else [raw])]))
    return _POWER_MODE.dimension(raw)


def _mode_faults(modes: Sequence[str]) -> Iterator[Fault]:
    first = _kinds_of(modes[0])
    for at, mode in enumerate(modes):
        kinds = _kinds_of(mode)
        if not re.fullmatch(_POWER_MODE_PATTERN, mode) or len(set(kinds)) < len(kinds):
            rule = "must be KIND:VALUE, or several of different kinds joined by +"
            yield Fault((at,), rule, shown(mode), "Such as nvpmodel:15W+jetson_clocks:on.")
        elif kinds != first:
            rule = f"must set what the first mode sets, in that order: {', '.join(first)}"
            yield Fault((at,), rule, shown(mode), "Write all of it in every mode.")


def _kinds_of(mode: str) -> list[str]:
    return [part.partition(":")[0] for part in mode.split("+")]


def _power_mode_json_schema() -> dict[str, object]:
    mode = {"type": "string", "pattern": _POWER_MODE_PATTERN}
    choice = {"type": "array", "items": mode, "minItems": 1, "uniqueItems": True}
    return {"anyOf": [mode, choice]}


def _sparsity_json_schema() -> dict[str, object]:
    dimension = _SPARSITY.json_schema()
    groups = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"not": {"enum": list(RANGE_KEYS)}},
        "additionalProperties": dimension,
    }
    return {"anyOf": [*dimension["anyOf"], groups]}


FileName = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN})
]
PythonOnBoard = Annotated[
    str, AfterValidator(_python), WithJsonSchema({"type": "string", "pattern": _PYTHON_PATTERN})
]
ObjectiveName = Annotated[
    Word,
    AfterValidator(_objective),
    WithJsonSchema({"anyOf": [{"enum": list(OBJECTIVES)}, {"type": "string", "minLength": 1}]}),
]
ObjectiveNames = Annotated[tuple[ObjectiveName, ...], Field(strict=False, min_length=1)]
Workload = Annotated[
    str | OnnxFiles,
    PlainValidator(_workload),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _WORKLOAD_PATTERN},
                OnnxFiles.model_json_schema(),
            ]
        }
    ),
]
MeterChoice = Annotated[
    str | MeterCommand | None,
    PlainValidator(_meter),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1}, MeterCommand.model_json_schema()]}
    ),
]
Connection = Annotated[
    tuple[Ssh, ...],
    PlainValidator(boards_from_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": CONNECT_PATTERN},
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": BOARD_PATTERN},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            ]
        }
    ),
]
Duration = Annotated[
    float,
    PlainValidator(duration_s),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": DURATION_PATTERN},
            ]
        }
    ),
]
Size = Annotated[
    int, PlainValidator(size_bytes), WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN})
]
Rounds = Annotated[
    int,
    AfterValidator(_rounds),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": 0},
                {"type": "integer", "minimum": FEWEST_ROUNDS, "maximum": MOST_ROUNDS},
            ]
        }
    ),
]
Precisions = Annotated[
    tuple[str, ...], PlainValidator(_precisions), WithJsonSchema(_PRECISION.json_schema())
]
Sparsity = Annotated[
    Dimension | Mapping[str, Dimension],
    PlainValidator(_sparsity),
    WithJsonSchema(_sparsity_json_schema()),
]
PowerModes = Annotated[
    Dimension | None, PlainValidator(_power_mode), WithJsonSchema(_power_mode_json_schema())
]
