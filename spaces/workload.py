"""A workload: a trained model, the data it is judged on, and the metric that judges it.

A workload is the person's own code. It is imported only in child processes, never by the parent.
Data is NumPy, models are torch: a workload that needs no torch doesn't import it.
"""

from __future__ import annotations

import abc
import inspect
import io
import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spaces.source_files import source_digest

if TYPE_CHECKING:
    import torch

Array = NDArray[Any]
Inputs = dict[str, Array]
"""One batch: input name -> array of shape (batch, ...), in the order ``forward`` takes them."""
Batches = Iterable[tuple[Inputs, Array]]
"""Batches with their targets, each of shape (batch, ...)."""


class WorkloadError(Exception):
    """A workload or its data is wrong; the text says where, the rule, the value and the remedy."""


class Workload(abc.ABC):
    """Subclass this in a file beside a space file, and name it there as ``file.py:Class``.

    Every ``*_batches`` method returns a fresh iterable each time it is called, in batches of any
    size: whoever measures batches the samples anew. The splits are disjoint; calibration is a fixed
    part of the training data. Calibration, validation and test are the same on every call.

    Example:
        A workload of one float input::

            class Gestures(Workload):
                def model(self):
                    return self.trained(build_net, self.fit)

                def example_inputs(self):
                    return {"signal": np.zeros((1, 6, 128), np.float32)}

                def train_batches(self):
                    order = self.rng.permutation(len(self.signals))
                    ...

                def score(self, outputs, targets):
                    return outputs[0].argmax(1) == targets
    """

    metric: ClassVar[str] = "accuracy"
    """Name of the mean of `score`, as an objective."""
    direction: ClassVar[str] = "maximize"
    """``maximize`` or ``minimize`` the metric."""

    cache_dir: Path
    """A folder that lives longer than the run; set before any method is called."""

    @cached_property
    def rng(self) -> np.random.Generator:
        """Where `train_batches` draws order and augmentation from.

        Whoever trains sets it anew from the seed of that training, so that the same seed gives the
        same epochs.
        """
        return np.random.default_rng(0)

    @abc.abstractmethod
    def model(self) -> torch.nn.Module:
        """Return the trained model, in float32; training it on the first call is fine.

        It takes the inputs by position and returns a tensor, or a tuple or list of tensors.
        """

    @abc.abstractmethod
    def example_inputs(self) -> Inputs:
        """Return one batch of size 1: names, types and shapes of the model's inputs."""

    @abc.abstractmethod
    def train_batches(self) -> Batches:
        """Return one epoch of training batches, shuffled and augmented as training wants it."""

    @abc.abstractmethod
    def calibration_batches(self) -> Batches:
        """Return a fixed sample of training data, not augmented, for quantization ranges."""

    @abc.abstractmethod
    def validation_batches(self) -> Batches:
        """Return the split that decides during the search."""

    @abc.abstractmethod
    def test_batches(self) -> Batches:
        """Return the split that is only reported."""

    @abc.abstractmethod
    def score(self, outputs: Sequence[Array], targets: Array) -> Array:
        """Score a whole split at once.

        Args:
            outputs: The model's outputs in order, each of shape (n, ...): all n samples.
            targets: Shape (n, ...), in the same order.

        Returns:
            One score per sample, shape (n,), whose mean is the metric; or, for a metric of the
            whole set such as mAP, one figure of shape ().
        """

    def loss(self, outputs: Sequence[torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        """Return the task loss of a training batch: cross-entropy of the first output."""
        import torch

        return torch.nn.functional.cross_entropy(outputs[0], targets)

    def distillation_loss(
        self,
        student: Sequence[torch.Tensor],
        teacher: Sequence[torch.Tensor],
        temperature: float,
    ) -> torch.Tensor:
        """Return how far the student's outputs are from the teacher's on a training batch.

        T^2 * KL(teacher || student) at temperature T [1] of the first output, whose dimension 1 is
        taken for the logits of classes; the mean over samples (and positions). Other outputs don't
        count. Replace it where the first output isn't logits.

        Raises:
            WorkloadError: If the first output can't be logits of two or more classes.

        References:
            [1] Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015.
        """
        from torch.nn.functional import kl_div, log_softmax

        first = student[0]
        if first.ndim < 2 or first.shape[1] < 2 or not first.is_floating_point():
            raise WorkloadError(
                f"distillation needs logits of shape (batch, classes, ...) as the first output, "
                f"but it is {first.dtype} of shape {tuple(first.shape)}. Define "
                f"distillation_loss(student, teacher, temperature) in {type(self).__name__}."
            )
        pointwise = kl_div(
            log_softmax(first / temperature, dim=1),
            log_softmax(teacher[0] / temperature, dim=1),
            log_target=True,
            reduction="none",
        )
        return pointwise.sum(1).mean() * temperature**2

    def trained(
        self, build: Callable[[], torch.nn.Module], train: Callable[[torch.nn.Module], None]
    ) -> torch.nn.Module:
        """Build a model and load its weights from the cache, training it if they aren't there.

        Torch and `rng` are seeded first. The cache is keyed by the workload's source, so new code
        trains anew; after a change of data alone, remove the file. An unreadable file is replaced.

        Args:
            build: Returns the untrained module.
            train: Trains it in place.

        Returns:
            The module in eval mode. Weights are kept under `cache_dir`.

        Raises:
            WorkloadError: If the cache can't be written.
        """
        import torch

        path = self.cache_dir / self._weights_name()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = build()
            if zipfile.is_zipfile(path):  # a torn file has no end record, a missing one is none
                module.load_state_dict(torch.load(path, weights_only=True))
                return module.eval()
            self.rng = np.random.default_rng(0)
            train(module)
        content = io.BytesIO()  # written to a full disk, torch.save raises anything but that
        torch.save(module.state_dict(), content)
        _write_atomically(path, content.getbuffer())
        return module.eval()

    def _weights_name(self) -> str:
        source = Path(inspect.getfile(type(self)))
        return f"{type(self).__name__}-{source_digest(source)[:16]}.pt"


def _write_atomically(path: Path, content: memoryview) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise WorkloadError(
            f"trained weights must be kept, but {path.parent} can't be written: {error.strerror}. "
            "Free space there, or name another folder with EDGE_INFERENCE_SEARCH_CACHE."
        ) from error


@runtime_checkable
class FineTunesItself(Protocol):
    """A workload that defines ``finetune``, which then replaces this program's own distillation."""

    def finetune(
        self,
        student: torch.nn.Module,
        teacher: torch.nn.Module,
        *,
        temperature: float,
        alpha: float,
        epochs: int,
        seed: int,
    ) -> None:
        """Train the pruned ``student`` in place, with the unpruned ``teacher`` as a guide.

        Args:
            student: Shapes may differ from the teacher's; changing them isn't allowed.
            teacher: Not to be changed.
            temperature: Distillation temperature, above 0.
            alpha: Share of the teacher in the loss, in [0, 1].
            epochs: At least 1; the learning rate's schedule is to end with the last.
            seed: The same seed has to give the same weights.
        """


def output_tensors(raw: object) -> tuple[torch.Tensor, ...]:
    """Return what a model's ``forward`` returned as a tuple of tensors.

    Raises:
        WorkloadError: If it is neither a tensor nor a tuple or list of tensors.
    """
    import torch

    outputs = tuple(raw) if isinstance(raw, tuple | list) else (raw,)
    if outputs and all(isinstance(output, torch.Tensor) for output in outputs):
        return outputs
    kinds = ", ".join(sorted({type(output).__name__ for output in outputs})) or "nothing"
    raise WorkloadError(
        f"model() must return a module whose forward returns a tensor, or a tuple or list of "
        f"tensors, but it returned {kinds}. Wrap it in a module that returns its tensors."
    )
