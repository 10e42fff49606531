"""From what a space file names under ``workload`` to the object, and to its fingerprint.

This runs the person's code, so only child processes call it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from spaces.errors import nearest
from spaces.onnx_workload import OnnxWorkload
from spaces.persons_code import persons_code
from spaces.source_files import source_digest
from spaces.workload import Array, Batches, Inputs, Workload, WorkloadError


def load_workload(reference: str | Mapping[str, str], folder: Path, cache_dir: Path) -> Workload:
    """Import a workload's class and make one.

    The folder of a ``file.py`` goes on ``sys.path``, so that it can import the files beside it.

    Args:
        reference: ``file.py:Class``, ``package.module:Class``, or the paths of an ONNX model and
            its data, ``{"onnx": ..., "data": ...}``.
        folder: What paths are relative to: the space file's folder.
        cache_dir: Becomes the workload's `Workload.cache_dir`.

    Raises:
        WorkloadError: If there is no such class, or it isn't a complete workload.
    """
    if isinstance(reference, str):
        workload = _from_code(reference, folder)
    else:
        workload = _from_onnx(reference, folder)
    workload.cache_dir = cache_dir
    return workload


def fingerprint(workload: Workload) -> str:
    """Return the SHA-256, in hexadecimal, of everything that a result depends on but the settings.

    That is: the class; its file and the files beside it that it imports; the ONNX model, where
    there is one; the samples and targets of every split, of training one epoch with `Workload.rng`
    seeded. Training data that is random in another way, and so differs each time, counts by the
    number of samples and their shapes and types.

    Raises:
        WorkloadError: If the workload's own code raises.
    """
    source = Path(inspect.getfile(type(workload)))
    digest = hashlib.sha256(type(workload).__qualname__.encode())
    with persons_code("its source", source.parent):
        digest.update(source_digest(source).encode())
    if isinstance(workload, OnnxWorkload):
        digest.update(workload.onnx_path.read_bytes())
    for split in ("calibration", "validation", "test"):
        with persons_code(f"{split}_batches()", source.parent):
            digest.update(_content_digest(getattr(workload, f"{split}_batches")()))
    if not isinstance(workload, OnnxWorkload):
        with persons_code("train_batches()", source.parent):
            digest.update(_training_digest(workload))
    return digest.hexdigest()


def _training_digest(workload: Workload) -> bytes:
    """Return a digest of one seeded epoch, or of its shapes where it isn't the same each time."""
    content = hashlib.sha256()
    first = b""
    samples = 0
    kinds: set[str] = set()
    for inputs, targets in _seeded_epoch(workload):
        batch = _content_digest([(inputs, targets)])
        first = first or batch
        content.update(batch)
        samples += len(targets)
        kinds |= {f"{n}:{a.dtype.str}:{a.shape[1:]}" for n, a in _named(inputs, targets)}
    again = next(iter(_seeded_epoch(workload)), None)
    if again is not None and _content_digest([again]) == first:
        return content.digest()
    return hashlib.sha256(f"{samples}:{sorted(kinds)}".encode()).digest()


def _seeded_epoch(workload: Workload) -> Batches:
    workload.rng = np.random.default_rng(0)
    return workload.train_batches()


def _content_digest(batches: Batches) -> bytes:
    digest = hashlib.sha256()
    for inputs, targets in batches:
        for name, array in _named(inputs, targets):
            digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _named(inputs: Inputs, targets: Array) -> list[tuple[str, Array]]:
    return [*inputs.items(), ("", np.asarray(targets))]


def _from_onnx(reference: Mapping[str, str], folder: Path) -> OnnxWorkload:
    if set(reference) != {"onnx", "data"}:
        raise WorkloadError(
            f"workload must be FILE.py:Class or {{onnx: MODEL.onnx, data: DATA.npz}}, but has the "
            f"keys {', '.join(sorted(reference)) or 'none'}. Give onnx and data."
        )
    return OnnxWorkload(folder / reference["onnx"], folder / reference["data"])


def _from_code(reference: str, folder: Path) -> Workload:
    source, _, class_name = reference.rpartition(":")
    if not source or not class_name.isidentifier():
        raise WorkloadError(
            f"workload must be FILE.py:Class or package.module:Class, but got {reference!r}. "
            "Write e.g. workloads/digits_resnet8.py:Digits."
        )
    if source.endswith(".py"):
        module = _module_from_file(folder / source)
    else:
        module = _module_by_name(source)
    return _made(_class_of(module, class_name))


def _module_from_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise WorkloadError(
            f"workload must name a file that exists, but there is no {path}. "
            "Paths are relative to the space file."
        )
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = f"workload_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise WorkloadError(f"workload must be a Python file, but {path} isn't. Name it *.py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and inspect look the module up
    with persons_code("importing the workload", path.parent):
        spec.loader.exec_module(module)
    return module


def _module_by_name(name: str) -> ModuleType:
    try:
        with persons_code("importing the workload", Path.cwd()):
            return importlib.import_module(name)
    except WorkloadError as error:
        missing = error.__cause__
        if isinstance(missing, ModuleNotFoundError) and name.startswith(str(missing.name)):
            raise WorkloadError(
                f"workload must name a module that can be imported, but there is no {missing.name} "
                f"(from {name!r}). Install it, or give the path of a file: FILE.py:Class."
            ) from error
        raise


def _class_of(module: ModuleType, class_name: str) -> type[Workload]:
    found = getattr(module, class_name, None)
    if found is None:
        classes = [n for n, v in vars(module).items() if _is_workload_class(v)]
        match = nearest(class_name, classes)
        remedy = f"Did you mean {match}?" if match else f"It has: {', '.join(classes) or 'none'}."
        raise WorkloadError(
            f"{module.__file__}: must define the class that the space file names, but has no "
            f"{class_name}. {remedy}"
        )
    if not _is_workload_class(found):
        raise WorkloadError(
            f"{module.__file__}: {class_name} must be a subclass of spaces.workload.Workload, but "
            f"it isn't. Write class {class_name}(Workload):"
        )
    workload_class: type[Workload] = found
    return workload_class


def _is_workload_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Workload) and value is not Workload


def _made(workload_class: type[Workload]) -> Workload:
    source = Path(inspect.getfile(workload_class))
    lacking = sorted(workload_class.__abstractmethods__)
    if lacking:
        line = inspect.getsourcelines(workload_class)[1]
        raise WorkloadError(
            f"{source}:{line}: {workload_class.__name__} must define every method of Workload, but "
            f"lacks {', '.join(lacking)}. spaces/workload.py says what each of them returns."
        )
    with persons_code(f"{workload_class.__name__}()", source.parent):
        return workload_class()
