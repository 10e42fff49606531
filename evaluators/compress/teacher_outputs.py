"""The teacher's outputs on the batches of a training, computed once for all students.

Augmented batches differ from epoch to epoch, but not from training to training: a workload draws
them from `Workload.rng`, which starts from the seed. Each batch's outputs are found by the SHA-256
of its inputs, so a workload that draws otherwise gets no wrong ones; its teacher computes anew.

A longer training begins with the batches of a shorter one. So outputs are kept span by span, see
`evaluators.compress.spans`, and a rung computes what no other has. A folder for each::

    0.npy, 1.npy, ...   one array for each output, all batches joined
    batches.json        SHA-256 of a batch's inputs -> its first and last row

Nothing is written where it would be too much, or where batches don't have the same shapes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spaces.training_precision import channels_last, training_autocast
from spaces.workload import Array, FineTunesItself, Inputs, Workload, output_tensors

MOST_BYTES = 256 * 2**20
"""For the outputs on all batches of one training, in memory and on disk.

What a span may take is its share of a training that ends with it.
"""
_INDEX = "batches.json"


class TeacherOutputs:
    """Outputs by batch.

    Args:
        by_batch: Digest of a batch's inputs -> its outputs.
    """

    def __init__(self, by_batch: Mapping[str, tuple[Array, ...]]) -> None:
        self._by_batch = by_batch

    def of(self, inputs: Inputs) -> tuple[torch.Tensor, ...] | None:
        """Return the outputs on exactly these inputs, or None where they weren't kept."""
        found = self._by_batch.get(inputs_digest(inputs))
        return None if found is None else tuple(torch.tensor(array) for array in found)


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
    teacher: nn.Module, workload: Workload, span: range, seed: int, folder: Path
) -> int:
    """Write the outputs on every batch that a training with this seed sees in a span of epochs.

    Args:
        teacher: In eval mode.
        workload: Its training data.
        span: Epochs, counted from 0.
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
    most_bytes = MOST_BYTES * len(span) / span.stop
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for inputs in _training_inputs(workload, span, seed):
            outputs = [output.numpy() for output in teacher_outputs_of(teacher, inputs)]
            size += sum(output.nbytes for output in outputs)
            if size > most_bytes or not _fit(outputs, parts):
                return 0
            parts.append(outputs)
            rows[inputs_digest(inputs)] = (first, first := first + len(outputs[0]))
    for position, arrays in enumerate(zip(*parts, strict=True)):
        np.save(folder / f"{position}.npy", np.concatenate(arrays), allow_pickle=False)
    (folder / _INDEX).write_text(json.dumps(rows))
    return len(parts)


def read_teacher_outputs(folders: Iterable[Path]) -> TeacherOutputs:
    """Read what `keep_teacher_outputs` wrote, folder by folder; it may have kept nothing."""
    return TeacherOutputs(dict(chain.from_iterable(map(_read_batches, folders))))


def _read_batches(folder: Path) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """Yield the digest of each batch's inputs, and its outputs."""
    if not (folder / _INDEX).exists():
        return
    count = len(list(folder.glob("*.npy")))
    arrays = [np.load(folder / f"{position}.npy", allow_pickle=False) for position in range(count)]
    for digest, (first, end) in json.loads((folder / _INDEX).read_text()).items():
        yield digest, tuple(array[first:end] for array in arrays)


def inputs_digest(inputs: Inputs) -> str:
    """Return the SHA-256 of a batch's names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in inputs.items():
        digest.update(f"{name}:{array.dtype}:{array.shape}:".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _training_inputs(workload: Workload, span: range, seed: int) -> Iterator[Inputs]:
    """Yield the inputs of a span; what comes before it is drawn, too, for that is what it needs."""
    workload.rng = np.random.default_rng(seed)
    for epoch in range(span.stop):
        for inputs, _targets in workload.train_batches():
            if epoch in span:
                yield inputs


def _fit(outputs: list[Array], parts: list[list[Array]]) -> bool:
    """Say whether outputs, which all have to have the batch first, go with those so far."""
    shapes = [output.shape[1:] for output in outputs]
    same_rows = all(output.ndim and len(output) == len(outputs[0]) for output in outputs)
    return same_rows and (not parts or shapes == [output.shape[1:] for output in parts[0]])
