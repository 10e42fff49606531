"""An ONNX file is somebody else's data: check it before any library follows what it says.

The protobuf is read alone first, then every file it names is checked (`onnx_external_data`), and
only then does anything read those.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from evaluators.export.onnx_external_data import check_external_data, inline_external_data
from evaluators.failures import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LARGEST_ONNX_BYTES = 2**31 - 1
"""A protobuf message can't be larger."""


class OnnxInput(NamedTuple):
    """One input of a model; ``shape[0]`` is None where the batch size is free."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


def check_onnx(path: Path) -> None:
    """Check that the file is a valid model with static inputs, and keeps to its own folder.

    Raises:
        InputError: If it isn't, saying how to mend it.
    """
    _read_checked(path)


def check_onnx_data(path: Path, sample: Mapping[str, np.ndarray]) -> None:
    """Check the model, and that a sample of its data is what it takes.

    Args:
        path: The model.
        sample: Arrays of batch size 1 by the names of the inputs.

    Raises:
        InputError: If the model isn't sound, or the two don't agree.
    """
    model = _read_checked(path)
    wanted = {each.name: (each.dtype.name, *each.shape[1:]) for each in _inputs(path, model)}
    got = {name: (array.dtype.name, *array.shape[1:]) for name, array in sample.items()}
    if list(wanted.items()) != list(got.items()):
        raise InputError(
            f"{path}: the data must hold the model's inputs in their order, {_listed(wanted)}, but "
            f"holds {_listed(got)}. Write it so, or export the model again."
        )


def _listed(inputs: Mapping[str, tuple[str | int | None, ...]]) -> str:
    return ", ".join(f"{name} {dtype}{list(shape)}" for name, (dtype, *shape) in inputs.items())


def read_onnx_inputs(path: Path) -> list[OnnxInput]:
    """Return the inputs of a model, without its initializers.

    Raises:
        InputError: If the file isn't a model, or an input isn't a numeric tensor with a shape.
    """
    with _text_checked(path):
        return _inputs(path, _parse(path))


def import_onnx(path: Path, batch_size: int, out_dir: Path) -> onnx.ModelProto:
    """Write a checked copy as ``model.onnx``: weights inside, batch size static; return it too.

    Raises:
        InputError: If the check fails, or the model's own batch size is another one.
    """
    model = _read_checked(path)
    _fix_batch_size(path, model, batch_size)
    inline_external_data(model, path.parent)
    # Once more: only now is it known whether the data fits the shapes.
    _check_valid(path, model)
    onnx.save_model(model, out_dir / "model.onnx")
    return model


def _read_checked(path: Path) -> onnx.ModelProto:
    with _text_checked(path):
        model = _parse(path)
        _check_files(path, model)
        _check_batch(path, _inputs(path, model))
    return model


@contextmanager
def _text_checked(path: Path) -> Iterator[None]:
    """Refuse text that isn't UTF-8. Reading a protobuf accepts it; reading the field doesn't."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: text in a model must be UTF-8, but {_one_line(error)} Export it again."
        ) from error


def _check_files(path: Path, model: onnx.ModelProto) -> None:
    """Check where external data lies, and only then let the checker look for it."""
    external_bytes = check_external_data(path, model)
    if external_bytes + path.stat().st_size > LARGEST_ONNX_BYTES:
        raise InputError(
            f"{path}: a model and its external data must fit into 2 GiB, but take "
            f"{external_bytes / 2**30:.1f} GiB. Use a smaller model."
        )
    # By path, so that the checker looks for external data beside the model.
    _check_valid(path, str(path))


def _check_valid(path: Path, model: onnx.ModelProto | str) -> None:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise InputError(
            f"{path}: the model must be valid ONNX, but {_one_line(error)} Export it again."
        ) from error


def _parse(path: Path) -> onnx.ModelProto:
    """Read the protobuf alone; external data is not touched."""
    if not path.is_file():
        raise InputError(f"{path}: the model must be a file, but there is none. Check the path.")
    try:
        model = onnx.load_model(path, load_external_data=False)
    except OSError as error:
        raise InputError(
            f"{path}: the model must be readable, but {_one_line(error)} Check its permissions."
        ) from error
    except DecodeError as error:
        raise InputError(
            f"{path}: the model must be an ONNX file, but it can't be parsed: {_one_line(error)} "
            "It may be truncated, or a pointer of Git LFS: fetch or export it again."
        ) from error
    if not model.HasField("graph"):
        raise InputError(
            f"{path}: the model must be an ONNX file, but it holds no graph. Export it again."
        )
    return model


def _inputs(path: Path, model: onnx.ModelProto) -> list[OnnxInput]:
    # Before IR version 4 every initializer was an input, too.
    constants = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in constants]
    if not values:
        raise InputError(f"{path}: a model must have an input, but this one has none.")
    return [_input(path, value) for value in values]


def _input(path: Path, value: onnx.ValueInfoProto) -> OnnxInput:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise InputError(
            f"{path}: input {value.name!r} must be a tensor with a known shape. Export the model "
            "with one."
        )
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    except KeyError:
        dtype = np.dtype(object)
    if dtype.kind not in "fiub":
        known = onnx.TensorProto.DataType.items()
        type_name = next(
            (name for name, code in known if code == tensor.elem_type), "no known type"
        )
        raise InputError(
            f"{path}: input {value.name!r} must hold numbers or booleans, but holds {type_name}. "
            "Move that part of the model into the workload."
        )
    return OnnxInput(value.name, _shape(path, value), dtype)


def _shape(path: Path, value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """Return the shape, None for a free batch size.

    Raises:
        InputError: If any other dimension is free.
    """
    dimensions = value.type.tensor_type.shape.dim
    shape = tuple(size.dim_value if size.dim_value > 0 else None for size in dimensions)
    for position, size in enumerate(shape):
        if size is None and position > 0:
            symbol = dimensions[position].dim_param
            fix = (
                f"--dim_param {symbol} --dim_value SIZE"
                if symbol
                else f"--input_name {value.name} --input_shape SIZES"
            )
            raise InputError(
                f"{path}: only the first dimension of an input, the batch, may be free, but "
                f"dimension {position} of {value.name!r} is {symbol or '?'}. Fix it with: "
                f"python -m onnxruntime.tools.make_dynamic_shape_fixed {fix} IN.onnx OUT.onnx"
            )
    return shape


def _check_batch(path: Path, inputs: list[OnnxInput]) -> None:
    for each in inputs:
        if not each.shape:
            raise InputError(
                f"{path}: an input's first dimension must be the batch, but {each.name!r} is a "
                "scalar. Make it a constant."
            )


def _fix_batch_size(path: Path, model: onnx.ModelProto, batch_size: int) -> None:
    """Write the batch size into every input, and wherever else its symbol stands."""
    symbols: set[str] = set()
    for each in _inputs(path, model):
        if each.shape[0] not in (None, batch_size):
            raise InputError(
                f"{path}: batch_size is {batch_size}, but input {each.name!r} takes batches of "
                f"{each.shape[0]}. Set batch_size: {each.shape[0]}, or export the model again."
            )
    graph = model.graph
    for value in graph.input:
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and not dimensions[0].dim_value:
            symbols.add(dimensions[0].dim_param)
            dimensions[0].dim_value = batch_size
    for value in (*graph.output, *graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param and size.dim_param in symbols:
                size.dim_value = batch_size


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{text or type(error).__name__}."
