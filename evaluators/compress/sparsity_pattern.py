"""The 2:4 pattern: of every four weights along the input channels, at most two aren't zero.

NVIDIA's sparse tensor cores skip the zeros of such weights [1]. The fours are counted from the
first input channel on, for each output channel and each position of the kernel by itself: so
TensorRT checks it before it tries a sparse kernel [2].

References:
    [1] Mishra et al., Accelerating Sparse Deep Neural Networks, 2021.
    [2] NVIDIA, TensorRT documentation, "Structured Sparsity".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from evaluators.compress.coupled_layers import LAYERS
from evaluators.compress.layer_rows import shared_layers, why_not_linear

KEPT, OUT_OF = 2, 4


@dataclass(frozen=True, slots=True)
class PatternReport:
    """What got the pattern.

    Attributes:
        treated: Layer -> the share of its weights' squares that was set to zero.
        left: Layer -> why it stays dense.
    """

    treated: dict[str, float]
    left: dict[str, str]


def impose_pattern(model: nn.Module) -> PatternReport:
    """Set the two smallest of every four weights to zero, in place, wherever that can be done."""
    treated = {}
    with torch.no_grad():
        for name, mask in pattern_masks(model).items():
            weight = model.get_submodule(name).get_parameter("weight")
            before = float(weight.square().sum())
            weight.masked_fill_(~mask, 0.0)
            left = float(weight.square().sum())
            treated[name] = 1 - left / before if before else 0.0
    return PatternReport(treated, _left(model))


def pattern_masks(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return by layer which of its weights are kept: the two largest of every four.

    Of weights that have the pattern already, those are all that aren't zero.

    Returns:
        Layer -> booleans of its weight's shape, for every layer that takes the pattern.
    """
    left = _left(model)
    return {
        name: _largest(module.get_parameter("weight"))
        for name, module in model.named_modules()
        if isinstance(module, LAYERS) and name not in left
    }


@contextmanager
def pattern_held(model: nn.Module) -> Iterator[None]:
    """Keep the pattern of a model that has it while somebody trains it.

    The zeros are set again after every step of whatever optimizer takes one, and at the end.
    """
    masks = [(model.get_submodule(name), mask) for name, mask in pattern_masks(model).items()]

    def set_zeros(*_: object) -> None:
        with torch.no_grad():
            for layer, mask in masks:
                layer.get_parameter("weight").masked_fill_(~mask, 0.0)

    handle = register_optimizer_step_post_hook(set_zeros)
    try:
        yield
    finally:
        handle.remove()
        set_zeros()


def _largest(weight: torch.Tensor) -> torch.Tensor:
    last = weight.detach().abs().movedim(1, -1)
    fours = last.reshape(*last.shape[:-1], -1, OUT_OF)
    largest = fours.topk(KEPT, dim=-1).indices
    mask = torch.zeros_like(fours, dtype=torch.bool).scatter_(-1, largest, value=True)
    return mask.flatten(-2).movedim(-1, 1)


def _left(model: nn.Module) -> dict[str, str]:
    """Name the layers that can't take the pattern, each with the reason."""
    left = {}
    for name, module in model.named_modules():
        if isinstance(module, LAYERS):
            why = why_not_linear(module) or _why_not_in_fours(module)
        elif isinstance(module, nn.MultiheadAttention):
            why = "the projections to queries, keys and values aren't layers of their own"
        else:
            why = f"{type(module).__name__} isn't treated" if isinstance(module, nn.RNNBase) else ""
        if why:
            left[name] = why
    return left | shared_layers(model)


def _why_not_in_fours(layer: nn.Module) -> str:
    inputs = layer.get_parameter("weight").shape[1]
    return f"its {inputs} input channels are no multiple of {OUT_OF}" if inputs % OUT_OF else ""
