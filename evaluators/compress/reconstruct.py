"""Give what pruning left the weights that best reproduce the unpruned model, in closed form.

In forward order, each convolution or linear layer is fitted, by a ridge regression towards the
weights it has, to the *unpruned* model's outputs at that layer from the *pruned* model's actual
inputs to it [1, 2]. So a layer also makes up for what the layers before it couldn't. All happens in
one forward pass of the pruned model: a layer is fitted just before it is computed.

References:
    [1] He, Zhang, Sun, Channel Pruning for Accelerating Very Deep Neural Networks, 2017.
    [2] Kurtic, Frantar, Alistarh, ZipLM: Inference-Aware Structured Pruning, 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from evaluators.compress.coupled_layers import width
from evaluators.compress.dense_targets import DenseTargets, LayerTargets
from evaluators.compress.layer_rows import input_rows
from evaluators.compress.ridge import Correction, fit_correction, solving_flops

EXACT = 1e-9
"""Share of the targets' variance that rounding alone explains."""
MOST_FLOPS = 1e12
"""For one layer in a pattern, each of whose outputs has its own equations: about half a minute of
one CPU. 256 outputs of 2,304 inputs take 1.3e11, 512 of 4,608 take 2.1e12."""


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far a layer is from the unpruned model, on samples that it wasn't fitted to.

    Attributes:
        before: Squared error as pruned, over the squared targets around their mean.
        after: The same once fitted.
    """

    before: float
    after: float


@dataclass(frozen=True, slots=True)
class ReconstructReport:
    """What reconstruction did.

    Attributes:
        treated: Layer -> its error.
        left: Layer -> why it keeps the weights that pruning left. A layer in neither answers as the
            unpruned model's does.
        samples: How many samples of the calibration split were used.
    """

    treated: dict[str, LayerError]
    left: dict[str, str]
    samples: int


def reconstruct(
    student: nn.Module,
    dense: DenseTargets,
    kept_channels: Mapping[str, Sequence[int]],
    masks: Mapping[str, torch.Tensor] | None = None,
) -> ReconstructReport:
    """Fit the weights of a pruned model in place; it ends in eval mode.

    A layer's mean error goes into its bias, or into the running mean of the BatchNorm behind it,
    whose variance stays. A layer that has neither is fitted without. A layer is left as pruned, and
    named, where it can't be treated or where that wouldn't help on samples held out from the fit.

    Args:
        student: What `evaluators.compress.prune.prune` returned; changed.
        dense: The unpruned model's answers, the same for every student of it.
        kept_channels: Layer -> which of its channels in the unpruned model are left, for every
            layer that lost some.
        masks: Layer -> booleans of its weight's shape: which of its weights may change, for every
            layer whose zeros have to stay. Each output has as many.
    """
    report = ReconstructReport({}, dict(dense.left), dense.samples)
    fits = [
        _LayerFit(
            student,
            name,
            targets,
            list(kept_channels.get(name, ())),
            (masks or {}).get(name),
            report,
        )
        for name, targets in dense.layers.items()
    ]
    handles = [fit.layer.register_forward_pre_hook(fit) for fit in fits]
    try:
        with torch.no_grad():
            student.eval()(*dense.inputs)
    finally:
        for handle in handles:
            handle.remove()
    return report


class _LayerFit:
    """The hook that fits one layer of the student before it is computed."""

    def __init__(
        self,
        student: nn.Module,
        name: str,
        targets: LayerTargets,
        kept: list[int],
        mask: torch.Tensor | None,
        report: ReconstructReport,
    ) -> None:
        self.layer = student.get_submodule(name)
        self._name = name
        self._targets = targets
        self._values = targets.values[:, kept] if kept else targets.values
        parameters = dict(self.layer.named_parameters(recurse=False))
        self._weight: torch.Tensor = parameters["weight"]
        self._bias: torch.Tensor | None = parameters.get("bias")
        norm = student.get_submodule(targets.norm) if targets.norm else None
        self._mean_of_norm = dict(norm.named_buffers())["running_mean"] if norm else None
        self._mask = None if mask is None else mask.flatten(1)
        self._report = report

    def __call__(self, _layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if width(self.layer) != self._values.shape[1]:
            self._report.left[self._name] = "nothing says which of its channels were kept"
            return
        if self._mask is not None and solving_flops(self._mask) > MOST_FLOPS:
            self._report.left[self._name] = "solving for each of its outputs would take too long"
            return
        rows = input_rows(self.layer, inputs[0], self._targets.positions)
        residuals = self._values - self._outputs(rows)
        found = fit_correction(
            rows,
            residuals,
            self._targets.is_held_out,
            has_mean=self._bias is not None or self._mean_of_norm is not None,
            kept=self._mask,
        )
        spread = (self._values - self._values.mean(0))[self._targets.is_held_out].square().sum()
        error = LayerError(*(float(e / spread) for e in (found.error_before, found.error_after)))
        if error.before <= EXACT:
            return
        if not error.after < error.before:
            self._report.left[self._name] = (
                f"its error on held-out samples would go from {error.before:.3g} to "
                f"{error.after:.3g}, with {len(rows)} rows for {rows.shape[1]} inputs"
            )
            return
        self._apply(found)
        self._report.treated[self._name] = error

    def _outputs(self, rows: torch.Tensor) -> torch.Tensor:
        answers = rows @ self._weight.flatten(1).T
        return answers if self._bias is None else answers + self._bias

    def _apply(self, found: Correction) -> None:
        self._weight += found.weight.view_as(self._weight)
        if self._bias is not None:
            self._bias += found.mean
        elif self._mean_of_norm is not None:
            self._mean_of_norm -= found.mean  # which BatchNorm subtracts
