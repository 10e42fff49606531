"""A bundle's folder, read as data that may be damaged or come from anywhere.

::

    bundle/
        bundle.json        what was measured: engine, flags, versions, device, numbers
        SHA256SUMS         of every other file; `sha256sum -c SHA256SUMS` checks them as well
        model/             the files that the engine opens, byte for byte as they were measured
        check.npz          input_0 ..., output_0 ...: some samples, and what the model answered
        run.py             runs the model, or verifies the bundle
        evaluators/        the modules that ran the model while it was measured
        requirements.txt  Dockerfile  PROCESSING.md  MODEL_CARD.md

What is in SHA256SUMS can't change unnoticed. That is for damage and mix-ups: whoever means harm
writes the sums anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

FORMAT_VERSION = 1
BUNDLE_FILE, SUMS_FILE, CHECK_FILE = "bundle.json", "SHA256SUMS", "check.npz"
MODEL_FOLDER = "model"
_LINE = re.compile(r"^([0-9a-f]{64})  (\S(?:.*\S)?)$")
_JSON_LIMIT_BYTES = 16 * 2**20
_CHUNK_BYTES = 2**20


class BundleDamaged(ValueError):
    """This isn't a bundle as it was exported; the text says the rule, the value and the remedy."""


class Tensor(NamedTuple):
    """One input or output: ``shape`` is that of a batch, ``tolerance`` absolute, 0 for inputs."""

    name: str
    shape: Tuple[int, ...]
    dtype: str
    tolerance: float


class Recorded(NamedTuple):
    """One number that is measured again: its value and 95 % prediction interval, in ``unit``.

    ``per_si`` converts from SI, which ``si_name`` is in.
    """

    name: str
    unit: str
    si_name: str
    per_si: float
    value: float
    low: float
    high: float


class Bundle(NamedTuple):
    """What a bundle.json says, as far as running and verifying need it.

    Attributes:
        title: What it is, in words.
        distribution: The package that brings the engine's runtime, as pip knows it.
        version: Its version when this was measured.
        artifact: A file name inside ``model/``.
        timing: Fields of `evaluators.benchmark.timing.TimingSettings`.
        machine: The processor that the numbers come from.
        disturbances: What disturbed when they were measured, in words.
        numbers: Those that are measured again.
        power_mode: What the device was set to meanwhile; None where nothing was set.
    """

    folder: Path
    title: str
    engine: str
    distribution: str
    version: str
    precision: str
    flags: Dict[str, Any]
    artifact: str
    batch_size: int
    timing: Dict[str, float]
    machine: str
    disturbances: List[str]
    inputs: List[Tensor]
    outputs: List[Tensor]
    numbers: List[Recorded]
    power_mode: Optional[str] = None

    @property
    def model_folder(self) -> Path:
        """Return the folder that the engine opens the artifact from."""
        return self.folder / MODEL_FOLDER


def read_bundle(folder: Path) -> Bundle:
    """Check every byte of a bundle and read what it says.

    Raises:
        BundleDamaged: If anything isn't as it was exported.
    """
    if not (folder / BUNDLE_FILE).is_file():
        raise BundleDamaged(
            "a bundle must be a folder with a {}, but {} has none. Export one with: python -m "
            "search export --run DIR --trial N --out BUNDLE".format(BUNDLE_FILE, folder)
        )
    names = check_sums(folder)
    if (folder / BUNDLE_FILE).stat().st_size > _JSON_LIMIT_BYTES:
        raise _damaged(folder, "{} is larger than any bundle's".format(BUNDLE_FILE))
    try:
        said = json.loads((folder / BUNDLE_FILE).read_text(encoding="utf-8"))
        version = said["format_version"]
        bundle = _bundle(folder, said) if version == FORMAT_VERSION else None
    except BundleDamaged:
        raise
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        wrong = "{} doesn't say what it must: {!r}".format(BUNDLE_FILE, error)
        raise _damaged(folder, wrong) from error
    if bundle is None:
        raise BundleDamaged(
            "{}: format_version must be {}, but is {}. Use the version of the program that wrote "
            "it.".format(folder / BUNDLE_FILE, FORMAT_VERSION, version)
        )
    path = "{}/{}".format(MODEL_FOLDER, bundle.artifact)
    if names.get(path, "") != said.get("artifact_sha256"):
        raise _damaged(folder, "{} isn't the file that was measured".format(path))
    return bundle


def read_check(bundle: Bundle) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    """Return the check inputs, each of shape (n, ...), and the outputs measured for them.

    Raises:
        BundleDamaged: If they aren't what bundle.json says.
    """
    path = bundle.folder / CHECK_FILE
    try:
        with np.load(str(path), allow_pickle=False) as arrays:
            inputs = [arrays["input_{}".format(i)] for i in range(len(bundle.inputs))]
            outputs = [arrays["output_{}".format(i)] for i in range(len(bundle.outputs))]
    except (OSError, KeyError, ValueError) as error:
        raise _damaged(bundle.folder, "{}: {}".format(CHECK_FILE, error)) from error
    if len({len(array) for array in (*inputs, *outputs)}) != 1:
        raise _damaged(bundle.folder, "{} has inputs without outputs".format(CHECK_FILE))
    return inputs, outputs


def check_sums(folder: Path) -> Dict[str, str]:
    """Compare every file with its sum, and return name -> SHA-256.

    Raises:
        BundleDamaged: If a file was changed, is missing or is a link, or the sums themselves were
            changed.
    """
    try:
        text = (folder / SUMS_FILE).read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        raise _damaged(folder, "{} can't be read: {}".format(SUMS_FILE, error)) from error
    found = [_LINE.match(line) for line in text.split("\n")]
    sums = {match.group(2): match.group(1) for match in found if match}
    if text != sums_text(sums) or BUNDLE_FILE not in sums or CHECK_FILE not in sums:
        raise _damaged(folder, "{} has changed".format(SUMS_FILE))
    for name, sha256 in sums.items():
        path = _inside(folder, name)
        if not path.is_file():
            raise _damaged(folder, "{} is missing".format(name))
        if sha256_of(path) != sha256:
            raise _damaged(folder, "{} has changed".format(name))
    return sums


def sums_text(sums: Mapping[str, str]) -> str:
    """Return the text of SHA256SUMS for name -> SHA-256, as ``sha256sum`` writes it."""
    return "".join("{}  {}\n".format(sums[name], name) for name in sorted(sums))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file that has to lie in the folder itself, not behind a link."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts):
        raise _damaged(folder, "{!r} leads out of it".format(name))
    path = folder
    for part in parts:
        path /= part
        if os.path.islink(str(path)):
            raise _damaged(folder, "{} is a link".format(name))
    return path


def _bundle(folder: Path, said: Dict[str, Any]) -> Bundle:
    artifact = str(said["artifact"])
    if "/" in artifact or "\\" in artifact:
        raise _damaged(folder, "artifact must be a file name, but is {!r}".format(artifact))
    judged = [(name, said["numbers"][name]) for name in said["judged"]]
    return Bundle(
        folder=folder,
        title=str(said["title"]),
        engine=str(said["engine"]),
        distribution=str(said["runtime"]["distribution"]),
        version=str(said["runtime"]["version"]),
        precision=str(said["precision"]),
        flags=dict(said["flags"]),
        artifact=artifact,
        batch_size=int(said["batch_size"]),
        timing={str(name): float(value) for name, value in said["timing"].items()},
        machine=str(said["device"]["environment"]["cpu_model"]),
        disturbances=[str(each) for each in said["disturbances"]],
        inputs=[_tensor(each) for each in said["inputs"]],
        outputs=[_tensor(each) for each in said["outputs"]],
        numbers=[_recorded(name, number) for name, number in judged],
        power_mode=None if said.get("power_mode") is None else str(said["power_mode"]),
    )


def _tensor(said: Dict[str, Any]) -> Tensor:
    shape = tuple(int(size) for size in said["shape"])
    return Tensor(str(said["name"]), shape, str(said["dtype"]), float(said.get("tolerance", 0.0)))


def _recorded(name: str, said: Dict[str, Any]) -> Recorded:
    low, high = said["interval"]
    return Recorded(
        name,
        str(said["unit"]),
        str(said["si_name"]),
        float(said["per_si"]),
        float(said["value"]),
        float(low),
        float(high),
    )


def _damaged(folder: Path, what: str) -> BundleDamaged:
    return BundleDamaged(
        "{}: {}. It isn't the bundle that was exported: copy or export it again.".format(
            folder, what
        )
    )
