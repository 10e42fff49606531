"""Weights that an ONNX model keeps in other files, which it names: see that they are its own.

A name such as ``../../etc/passwd``, or a link with a harmless name, would put somebody's file into
a model that is then shipped. Nothing here opens a file before its name is checked.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import onnx

from evaluators.failures import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message  # type: ignore[import-untyped]


def check_external_data(path: Path, model: onnx.ModelProto) -> int:
    """Check every tensor of the model at ``path`` that lies in another file.

    Returns:
        How many bytes those tensors take.

    Raises:
        InputError: If one doesn't lie in a plain file inside the model's own folder.
    """
    return sum(_check_tensor(path, tensor) for tensor in _external_tensors(model))


def inline_external_data(model: onnx.ModelProto, folder: Path) -> None:
    """Move checked external data from ``folder`` into the model itself."""
    for tensor in _external_tensors(model):
        fields = _external_fields(tensor)
        with (folder / fields["location"]).open("rb") as stream:
            stream.seek(int(fields.get("offset", "0")))
            tensor.raw_data = stream.read(int(fields.get("length", "-1")))
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")


def _external_tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Find tensors with external data wherever they are: bodies of If and Loop, functions, ...

    Walking every field, instead of those known to hold tensors, leaves no place to hide one.
    """
    if isinstance(message, onnx.TensorProto):
        if message.external_data or message.data_location == onnx.TensorProto.EXTERNAL:
            yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for child in value if field.is_repeated else [value]:
            yield from _external_tensors(child)


def _external_fields(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _check_tensor(path: Path, tensor: onnx.TensorProto) -> int:
    """Check where a tensor's data lies, and return how many bytes it takes."""
    fields = _external_fields(tensor)
    location = fields.get("location", "")
    where = f"{path}: tensor {tensor.name!r} keeps its data in {location!r}"
    windows = PureWindowsPath(location)
    is_inside = not (windows.anchor or PurePosixPath(location).anchor or ".." in windows.parts)
    if not location or not is_inside or len(fields) != len(tensor.external_data):
        raise InputError(
            f"{where}, but external data must be one relative path inside the model's own folder. "
            "Save it again with onnx.save_model(..., save_as_external_data=False)."
        )
    return _check_extent(where, fields, _file_bytes(where, path.parent, location))


def _file_bytes(where: str, folder: Path, location: str) -> int:
    """Return the size of a plain file inside ``folder`` that is no link to somewhere else."""
    data = folder / location
    try:
        status = data.lstat()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{where}, but that can't be read: {error}. Copy it beside the model."
        ) from error
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    if not is_plain or data.resolve() != folder.resolve() / location:
        raise InputError(
            f"{where}, but external data must be a plain file, and no link. Replace the link by a "
            "copy (cp -L)."
        )
    return status.st_size


def _check_extent(where: str, fields: dict[str, str], file_bytes: int) -> int:
    offset = _whole_number(where, fields.get("offset", "0"))
    length = _whole_number(where, fields.get("length", str(max(0, file_bytes - offset))))
    end = offset + length
    if end > file_bytes:
        raise InputError(
            f"{where}, but that file ends at byte {file_bytes}, before {end}. It is truncated: "
            "copy it again."
        )
    return length


def _whole_number(where: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise InputError(
            f"{where}, but offset and length must be whole numbers, and one is {text!r}. "
            "Export the model again."
        )
    return int(text)
