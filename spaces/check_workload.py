"""Find what is wrong with a workload before a night is spent on it: one batch through all of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spaces.objectives import ACCURACY, OBJECTIVES
from spaces.onnx_workload import OnnxWorkload
from spaces.persons_code import persons_code
from spaces.workload import Array, Batches, Inputs, Workload, WorkloadError, output_tensors

if TYPE_CHECKING:
    import torch

_HELD_OUT = ("calibration", "validation", "test")


def check_workload(workload: Workload) -> None:
    """Run one batch of every split through the data, the model, its loss and its score.

    The model is trained first, if it isn't in the cache. A model that exists only as ONNX isn't
    run here.

    Raises:
        WorkloadError: For the first rule that is broken.
    """
    check = _Check(workload)
    check.metric()
    check.direction()
    example = check.example_inputs()
    batches = {split: check.first_batch(split, example) for split in _HELD_OUT}
    if not isinstance(workload, OnnxWorkload):
        check.model(batches["validation"], check.first_batch("train", example))


def checked_scores(workload: Workload, outputs: Sequence[Array], targets: Array) -> Array:
    """Score outputs of shape (n, ...) each.

    Returns:
        Float64 of shape (n,), or () for a metric of the whole set.

    Raises:
        WorkloadError: If ``score`` raises, or returns anything else or what isn't finite.
    """
    return _Check(workload).scores(outputs, targets)


class _Check:
    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._name = type(workload).__name__
        self._file = Path(inspect.getfile(type(workload)))

    def metric(self) -> None:
        metric: object = self._workload.metric
        is_taken = metric in OBJECTIVES and metric != ACCURACY.name
        if not isinstance(metric, str) or not metric.isidentifier() or is_taken:
            rule = "be a name, and not that of another objective"
            raise self._error("metric", rule, repr(metric), "Write e.g. metric = 'top1_accuracy'.")

    def direction(self) -> None:
        direction = self._workload.direction
        if direction not in {"maximize", "minimize"}:
            raise self._error("direction", "be maximize or minimize", repr(direction), "Set one.")

    def example_inputs(self) -> Inputs:
        example = self._call(self._workload.example_inputs, "example_inputs()")
        rule, remedy = (
            "return a dict of arrays of batch size 1",
            "E.g. {'image': np.zeros((1, 3, 32, 32), np.float32)}.",
        )
        if not isinstance(example, dict) or not example:
            raise self._error("example_inputs()", rule, _kind(example), remedy)
        for name, array in example.items():
            if not isinstance(array, np.ndarray) or array.ndim == 0 or len(array) != 1:
                raise self._error("example_inputs()", rule, f"{name!r} is {_kind(array)}", remedy)
        return example

    def first_batch(self, split: str, example: Inputs) -> tuple[Inputs, Array]:
        where = f"{split}_batches()"
        batches: Batches = self._call(getattr(self._workload, f"{split}_batches"), where)
        with persons_code(where, self._file.parent):
            pair = next(iter(batches), None)
        if pair is None:
            raise self._error(where, "yield at least one batch", "none", "Check the split.")
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], dict)):
            raise self._error(where, "yield (inputs by name, targets)", _kind(pair), "Yield pairs.")
        self._check_inputs(where, pair[0], example)
        self._check_targets(where, *pair)
        return pair

    def _check_inputs(self, where: str, inputs: Inputs, example: Inputs) -> None:
        wanted, got = _signature(example), _signature(inputs)
        if wanted != got:
            raise self._error(
                where,
                f"yield the inputs of example_inputs(), {wanted}",
                got,
                "Make the two agree, in order too.",
            )

    def _check_targets(self, where: str, inputs: Inputs, targets: Array) -> None:
        size = len(next(iter(inputs.values())))
        if size == 0:
            raise self._error(where, "yield at least one sample", "none", "Check the split.")
        is_array = isinstance(targets, np.ndarray) and targets.ndim > 0
        if not is_array or len(targets) != size:
            raise self._error(
                where,
                f"yield an array of {size} targets with {size} inputs",
                _kind(targets),
                "See Batches.",
            )

    def model(self, validation: tuple[Inputs, Array], train: tuple[Inputs, Array]) -> None:
        from torch import nn

        module = self._call(self._workload.model, "model()")
        if not isinstance(module, nn.Module):
            raise self._error("model()", "return a torch.nn.Module", _kind(module), "Return it.")
        module.eval()
        outputs = self._outputs(module, validation[0])
        self.scores([output.detach().numpy() for output in outputs], validation[1])
        self._check_loss(self._outputs(module, train[0]), train[1])

    def _outputs(self, module: torch.nn.Module, inputs: Inputs) -> tuple[torch.Tensor, ...]:
        import torch

        with persons_code("the model's forward", self._file.parent):
            outputs = output_tensors(module(*map(torch.from_numpy, inputs.values())))
        if not all(torch.isfinite(output).all() for output in outputs):
            raise self._error(
                "model()", "return finite numbers", "NaN or infinity", "Train it, or scale inputs."
            )
        return outputs

    def scores(self, outputs: Sequence[Array], targets: Array) -> Array:
        with persons_code("score()", self._file.parent):
            scores = np.asarray(self._workload.score(outputs, targets), np.float64)
        if scores.shape not in {(), (len(targets),)}:
            raise self._error(
                "score()",
                f"return {len(targets)} scores for {len(targets)} samples, or one figure",
                f"shape {scores.shape}",
                "See Workload.score.",
            )
        if not np.isfinite(scores).all():
            raise self._error("score()", "return finite numbers", "NaN or infinity", "Mask them.")
        return scores

    def _check_loss(self, outputs: tuple[torch.Tensor, ...], targets: Array) -> None:
        import torch

        with persons_code("loss()", self._file.parent):
            loss = self._workload.loss(outputs, torch.from_numpy(targets))
        if not isinstance(loss, torch.Tensor) or loss.ndim or not torch.isfinite(loss):
            raise self._error(
                "loss()", "return one finite number as a tensor", _kind(loss), "Average it."
            )

    def _call(self, function: Callable[[], object], doing: str) -> Any:
        with persons_code(doing, self._file.parent):
            return function()

    def _error(self, where: str, rule: str, got: str, remedy: str) -> WorkloadError:
        return WorkloadError(
            f"{self._file}: {self._name}.{where} must {rule}, but got {got}. {remedy}"
        )


def _signature(inputs: Inputs) -> str:
    shown = (f"{name} {a.dtype}{list(a.shape[1:])}" for name, a in inputs.items())
    return ", ".join(shown)


def _kind(value: object) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of {tuple(shape)}"
