"""A workload whose model exists only as ONNX, with its data in one ``.npz`` file.

It needs no torch, and there is nothing to prune or to train: precision and engine flags vary.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from spaces.persons_code import persons_code
from spaces.workload import Array, Batches, Inputs, Workload, WorkloadError

TARGETS = "targets"
SPLIT_SEED = 0
CALIBRATION_SHARE = 0.2
"""Of all samples; the rest is halved into validation and test."""
MIN_SAMPLES = 10
BATCH_SIZE = 100


class OnnxWorkload(Workload):
    """A classifier as ONNX, judged by top-1 accuracy of its first output.

    Args:
        onnx_path: The model, in float32, its first output of shape (batch, classes).
        data_path: An ``.npz`` without pickled objects: one array for each input of the model, by
            its name, of shape (n, ...), and ``targets``, integers of shape (n,). A fixed shuffle
            makes 20 % of the samples the calibration set, 40 % validation and 40 % test.

    Raises:
        WorkloadError: If either file isn't there or the data isn't of that form.
    """

    def __init__(self, onnx_path: Path, data_path: Path) -> None:
        for path in (onnx_path, data_path):
            if not path.is_file():
                raise WorkloadError(
                    f"workload must name files that exist, but there is no {path}. "
                    "Paths are relative to the space file."
                )
        self.onnx_path = onnx_path
        self._data_path = data_path
        arrays = _read_arrays(data_path)
        self._targets = _checked_targets(arrays, data_path)
        self._inputs = {name: a for name, a in arrays.items() if name != TARGETS}
        _check_inputs(self._inputs, len(self._targets), data_path)

    def input_names(self) -> list[str]:
        """Return the names of the arrays that are to be the model's inputs."""
        return list(self._inputs)

    def example_inputs(self) -> Inputs:
        """Return the first sample of the file."""
        return {name: array[:1] for name, array in self._inputs.items()}

    def calibration_batches(self) -> Batches:
        """Return the first share of the shuffled samples."""
        return self._batches(self._splits[0])

    def validation_batches(self) -> Batches:
        """Return the first half of what calibration leaves."""
        return self._batches(self._splits[1])

    def test_batches(self) -> Batches:
        """Return the second half of what calibration leaves."""
        return self._batches(self._splits[2])

    def model(self) -> NoReturn:
        """Refuse: the model is the file at ``onnx_path``.

        Raises:
            WorkloadError: Always.
        """
        raise self._no_torch_model()

    def train_batches(self) -> NoReturn:
        """Refuse: nothing is trained.

        Raises:
            WorkloadError: Always.
        """
        raise self._no_torch_model()

    def score(self, outputs: Sequence[Array], targets: Array) -> Array:
        """Return which samples' highest logit is the target's."""
        logits = outputs[0]
        if logits.ndim != 2:
            raise WorkloadError(
                f"{self.onnx_path}: the first output must be of shape (batch, classes), but is "
                f"{logits.shape}. Judge other outputs in a Workload class of your own."
            )
        return np.asarray(logits.argmax(1) == targets)

    def reference_outputs(self, inputs: Sequence[Array]) -> list[Array]:
        """Return the unchanged model's outputs on this host's CPU, in float32.

        A model of a fixed batch size gets as many samples at a time, the last one repeated where
        they don't fill a batch.

        Args:
            inputs: One array for each input, in the order of `input_names`, each of shape (n, ...).

        Returns:
            One array for each output of the model, each of shape (n, ...).

        Raises:
            WorkloadError: If ONNX Runtime can't load or run it.
        """
        import onnxruntime

        with persons_code(f"loading {self.onnx_path.name}", self.onnx_path.parent):
            session = onnxruntime.InferenceSession(
                str(self.onnx_path), providers=["CPUExecutionProvider"]
            )
        fixed = session.get_inputs()[0].shape[0]
        size = fixed if isinstance(fixed, int) else BATCH_SIZE
        count = len(inputs[0])
        collected = []
        for start in range(0, count, size):
            rows = np.minimum(np.arange(start, start + size), count - 1)
            batch = {n: a[rows] for n, a in zip(self._inputs, inputs, strict=True)}
            with persons_code(f"running {self.onnx_path.name}", self.onnx_path.parent):
                collected.append(session.run(None, batch))
        return [np.concatenate(parts)[:count] for parts in zip(*collected, strict=True)]

    @cached_property
    def _splits(self) -> list[NDArray[np.int64]]:
        count = len(self._targets)
        order = np.random.default_rng(SPLIT_SEED).permutation(count)
        calibration = round(count * CALIBRATION_SHARE)
        return np.split(order, [calibration, calibration + (count - calibration) // 2])

    def _batches(self, rows: NDArray[np.int64]) -> Iterator[tuple[Inputs, Array]]:
        for start in range(0, len(rows), BATCH_SIZE):
            chosen = rows[start : start + BATCH_SIZE]
            yield {n: a[chosen] for n, a in self._inputs.items()}, self._targets[chosen]

    def _no_torch_model(self) -> WorkloadError:
        return WorkloadError(
            f"sparsity and distillation need a PyTorch model, but the workload is {self.onnx_path}."
            " Leave them out of the space, or write a Workload class."
        )


def _read_arrays(path: Path) -> dict[str, Array]:
    """Read every array of an ``.npz``, refusing pickled objects."""
    try:
        with path.open("rb") as file:  # numpy leaves a damaged file open that it opened itself
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise WorkloadError(_malformed(path, "a single array"))
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        raise WorkloadError(_malformed(path, f"damaged or no .npz ({error})")) from error


def _malformed(path: Path, found: str) -> str:
    return (
        f"{path}: must be an .npz of plain arrays, but is {found}. "
        "Write it with numpy.savez(path, targets=..., **inputs)."
    )


def _checked_targets(arrays: dict[str, Array], path: Path) -> Array:
    if TARGETS not in arrays:
        raise WorkloadError(
            f"{path}: must hold an array 'targets', but holds {', '.join(arrays) or 'nothing'}. "
            "Add the class index of every sample."
        )
    targets = arrays[TARGETS]
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise WorkloadError(
            f"{path}: 'targets' must be integers of shape (n,), but is {targets.dtype} of shape "
            f"{targets.shape}. For another metric write a Workload class of your own."
        )
    if len(targets) < MIN_SAMPLES:
        raise WorkloadError(
            f"{path}: must hold at least {MIN_SAMPLES} samples, but holds {len(targets)}. "
            "Several hundred are needed to tell models apart."
        )
    return targets


def _check_inputs(inputs: dict[str, Array], count: int, path: Path) -> None:
    if not inputs:
        raise WorkloadError(
            f"{path}: must hold an array for each input of the model, but holds only 'targets'. "
            "Add them under the inputs' names."
        )
    for name, array in inputs.items():
        if array.dtype.kind not in "fiub":
            raise WorkloadError(
                f"{path}: {name!r} must be numbers, but is {array.dtype}. "
                "Store what the model takes."
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise WorkloadError(
                f"{path}: {name!r} must be finite, but holds NaN or infinity. "
                "Leave those samples out."
            )
        if array.ndim == 0 or len(array) != count:
            raise WorkloadError(
                f"{path}: {name!r} must have a row for each of the {count} targets, but has shape "
                f"{array.shape}. Store inputs and targets in the same order."
            )
