"""The regression behind reconstruction: what to add to a layer's weights, and whether it helps."""

from __future__ import annotations

from dataclasses import dataclass

import torch

RIDGE = 0.01
"""Pull towards the weights that a layer has, over the mean square of its inputs."""
CHUNK_ROWS = 4096
"""Rows that are in float64 at a time."""
_CHUNK_BYTES = 128 * 2**20
"""For the systems of equations that are solved at a time, where each output has its own."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What to add to a layer.

    Attributes:
        weight: Shape (outputs, inputs).
        mean: Shape (outputs,): what to add to every output; zero for a layer that can't.
        error_before: Sum of squared residuals over held-out rows, as things are.
        error_after: The same with a correction that was fitted to the other rows.
    """

    weight: torch.Tensor
    mean: torch.Tensor
    error_before: float
    error_after: float


def fit_correction(
    rows: torch.Tensor,
    residuals: torch.Tensor,
    is_held_out: torch.Tensor,
    *,
    has_mean: bool,
    kept: torch.Tensor | None = None,
) -> Correction:
    """Regress what a layer lacks on its inputs.

    With A the rows and R the residuals, both centred where ``has_mean``, the weight is
    ``solve(A'A + RIDGE * mean(diag(A'A)) * I, A'R)'`` in float64. Its worth is judged by a fit to
    the rows that aren't held out; the correction itself is fitted to all of them. Where an output
    may only use some inputs, it has its own such equation over those.

    Args:
        rows: Shape (n, inputs).
        residuals: Shape (n, outputs): wanted minus given.
        is_held_out: Shape (n,).
        has_mean: Whether the layer can add a constant to its outputs.
        kept: Shape (outputs, inputs): which weights may change, as many for each output; None
            where all may.
    """
    fitted = _Moments.of(rows[~is_held_out], residuals[~is_held_out])
    held_rows, held_residuals = rows[is_held_out], residuals[is_held_out]
    weight, mean = fitted.solution(has_mean=has_mean, kept=kept)
    left = held_residuals - (held_rows @ weight.T + mean)
    everything = fitted + _Moments.of(held_rows, held_residuals)
    weight, mean = everything.solution(has_mean=has_mean, kept=kept)
    before, after = (float(r.double().square().sum()) for r in (held_residuals, left))
    return Correction(weight, mean, before, after)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over rows, in float64; what a regression needs to know of them."""

    count: int
    inputs: torch.Tensor
    outputs: torch.Tensor
    inputs_inputs: torch.Tensor
    inputs_outputs: torch.Tensor

    @classmethod
    def of(cls, rows: torch.Tensor, residuals: torch.Tensor) -> _Moments:
        width, outputs = rows.shape[1], residuals.shape[1]
        sizes = ((width,), (outputs,), (width, width), (width, outputs))
        total = cls(0, *(torch.zeros(size, dtype=torch.float64) for size in sizes))
        for start in range(0, len(rows), CHUNK_ROWS):
            a, r = (x[start : start + CHUNK_ROWS].double() for x in (rows, residuals))
            total += cls(len(a), a.sum(0), r.sum(0), a.T @ a, a.T @ r)
        return total

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(
            self.count + other.count,
            self.inputs + other.inputs,
            self.outputs + other.outputs,
            self.inputs_inputs + other.inputs_inputs,
            self.inputs_outputs + other.inputs_outputs,
        )

    def solution(
        self, *, has_mean: bool, kept: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weight (outputs, inputs) and the mean (outputs,), in float32."""
        count = max(1, self.count)
        covariance, target = self.inputs_inputs, self.inputs_outputs
        if has_mean:
            covariance = covariance - torch.outer(self.inputs, self.inputs) / count
            target = target - torch.outer(self.inputs, self.outputs) / count
        scale = float(covariance.diagonal().mean()) or 1.0  # 0 where inputs never vary
        ridge = RIDGE * scale
        pulled = covariance + ridge * torch.eye(len(covariance))
        if kept is None:
            weight = torch.linalg.solve(pulled, target).T
        else:
            weight = _solved_by_output(pulled, target, kept)
        mean = (self.outputs - weight @ self.inputs) / count * has_mean
        return weight.float(), mean.float()


def solving_flops(kept: torch.Tensor) -> float:
    """Return the floating-point operations that one solution takes where each output has its own.

    Args:
        kept: See `fit_correction`.
    """
    size = float(kept[0].sum())
    return len(kept) * size**3 / 3


def _solved_by_output(
    covariance: torch.Tensor, target: torch.Tensor, kept: torch.Tensor
) -> torch.Tensor:
    """Solve for each output over the inputs that it keeps; shape (outputs, inputs)."""
    chosen = kept.nonzero()[:, 1].view(len(kept), -1)
    at_once = max(1, _CHUNK_BYTES // (covariance.element_size() * chosen.shape[1] ** 2))
    weight = torch.zeros(kept.shape, dtype=covariance.dtype)
    for start in range(0, len(kept), at_once):
        outputs = slice(start, start + at_once)
        inputs = chosen[outputs]
        factor = torch.linalg.cholesky(covariance[inputs[:, :, None], inputs[:, None, :]])
        sides = target.T[outputs].gather(1, inputs)[:, :, None]
        solved = torch.cholesky_solve(sides, factor)[:, :, 0]
        weight[outputs] = weight[outputs].scatter(1, inputs, solved)
    return weight
