"""The teacher's outputs on the batches of a training, computed once for all students.

Augmented batches differ from epoch to epoch, but not from training to training: a workload draws
them from `Workload.rng`, which starts from the seed. Each batch's outputs are found by the SHA-256
of its inputs, so a workload that draws otherwise gets no wrong ones; its teacher computes anew.

::

    0.npy, 1.npy, ...   one array for each output, all batches joined
    batches.json        SHA-256 of a batch's inputs -> its first and last row

Nothing is written where it would be too much, or where batches don't have the same shapes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spaces.training_precision import channels_last, training_autocast
from spaces.workload import Array, FineTunesItself, Inputs, Workload, output_tensors

MOST_BYTES = 256 * 2**20
"""For the outputs on all batches of one training, in memory and on disk."""
_INDEX = "batches.json"


class TeacherOutputs:
    """Outputs by batch.

    Args:
        arrays: One for each output, all batches joined.
        rows: Digest of a batch's inputs -> its first row and the one after its last.
    """

    def __init__(self, arrays: list[Array], rows: dict[str, tuple[int, int]]) -> None:
        self._arrays = arrays
        self._rows = rows

    def of(self, inputs: Inputs) -> tuple[torch.Tensor, ...] | None:
        """Return the outputs on exactly these inputs, or None where they weren't kept."""
        rows = self._rows.get(inputs_digest(inputs))
        if rows is None:
            return None
        return tuple(torch.tensor(array[slice(*rows)]) for array in self._arrays)


def training_outputs(model: nn.Module, inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """Return a model's outputs as training sees them: float32, computed in training's precision."""
    batch = [channels_last(torch.tensor(array)) for array in inputs.values()]
    with training_autocast():
        outputs = output_tensors(model(*batch))
    return tuple(o.float() if o.is_floating_point() else o for o in outputs)


def teacher_outputs_of(teacher: nn.Module, inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """Return the outputs of a teacher in eval mode, without gradients."""
    with torch.no_grad():
        return training_outputs(teacher, inputs)


def keep_teacher_outputs(
    teacher: nn.Module, workload: Workload, epochs: int, seed: int, folder: Path
) -> int:
    """Write the outputs on every batch that a training with this seed will see.

    Args:
        teacher: In eval mode.
        workload: Its training data.
        epochs: How long the training is.
        seed: The training's.
        folder: Empty.

    Returns:
        How many batches were kept: none where it would be too much, where batches don't have the
        same shapes, or where the workload fine-tunes itself.
    """
    if isinstance(workload, FineTunesItself):
        return 0
    parts: list[list[Array]] = []
    rows: dict[str, tuple[int, int]] = {}
    first = size = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for inputs in _training_inputs(workload, epochs, seed):
            outputs = [output.numpy() for output in teacher_outputs_of(teacher, inputs)]
            size += sum(output.nbytes for output in outputs)
            if size > MOST_BYTES or not _fit(outputs, parts):
                return 0
            parts.append(outputs)
            rows[inputs_digest(inputs)] = (first, first := first + len(outputs[0]))
    for position, arrays in enumerate(zip(*parts, strict=True)):
        np.save(folder / f"{position}.npy", np.concatenate(arrays), allow_pickle=False)
    (folder / _INDEX).write_text(json.dumps(rows))
    return len(parts)


def read_teacher_outputs(folder: Path) -> TeacherOutputs | None:
    """Read what `keep_teacher_outputs` wrote; None where it kept nothing."""
    if not (folder / _INDEX).exists():
        return None
    rows = {name: tuple(ends) for name, ends in json.loads((folder / _INDEX).read_text()).items()}
    count = len(list(folder.glob("*.npy")))
    arrays = [np.load(folder / f"{position}.npy", allow_pickle=False) for position in range(count)]
    return TeacherOutputs(arrays, rows)


def inputs_digest(inputs: Inputs) -> str:
    """Return the SHA-256 of a batch's names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in inputs.items():
        digest.update(f"{name}:{array.dtype}:{array.shape}:".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _training_inputs(workload: Workload, epochs: int, seed: int) -> Iterator[Inputs]:
    workload.rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for inputs, _targets in workload.train_batches():
            yield inputs


def _fit(outputs: list[Array], parts: list[list[Array]]) -> bool:
    """Say whether outputs, which all have to have the batch first, go with those so far."""
    shapes = [output.shape[1:] for output in outputs]
    same_rows = all(output.ndim and len(output) == len(outputs[0]) for output in outputs)
    return same_rows and (not parts or shapes == [output.shape[1:] for output in parts[0]])
