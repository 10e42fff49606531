"""A convolution as the linear map it is: one row of inputs for each position of its output.

Positions are numbered as the outputs of shape (n, channels, ...) are read with the channels last,
or those of a linear layer of shape (..., features).
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn
from torch.nn.functional import pad

from evaluators.compress.coupled_layers import LAYERS

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def input_rows(layer: nn.Module, inputs: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return what each of these output positions is computed from.

    Args:
        layer: A linear layer, or an ungrouped convolution.
        inputs: What it was called with.
        positions: Shape (rows,).

    Returns:
        Shape (rows, inputs), whose columns are those of ``layer.weight.flatten(1)``.
    """
    if isinstance(layer, nn.Linear):
        return inputs.flatten(0, -2)[positions]
    assert isinstance(layer, CONVOLUTIONS)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)  # noqa: SLF001
    windows = _windows(layer, padded)
    return windows[torch.unravel_index(positions, windows.shape[: inputs.ndim - 1])].flatten(1)


def output_rows(layer: nn.Module, outputs: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return the outputs at these positions, shape (rows, channels)."""
    last = outputs if isinstance(layer, nn.Linear) else outputs.movedim(1, -1)
    return last[torch.unravel_index(positions, last.shape[:-1])]


def position_count(layer: nn.Module, outputs: torch.Tensor) -> int:
    """Return how many positions the outputs have."""
    return outputs.numel() // outputs.shape[-1 if isinstance(layer, nn.Linear) else 1]


def why_not_linear(layer: nn.Module) -> str:
    """Say why a layer isn't a linear map with a weight of its own; empty where it is."""
    if not isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
        return f"{type(layer).__name__} isn't treated"
    if isinstance(layer, CONVOLUTIONS) and layer.groups > 1:
        return "it is grouped or depthwise"
    if not isinstance(layer.weight, nn.Parameter):
        return "its weight is computed from other parameters"
    return ""


def shared_layers(model: nn.Module) -> dict[str, str]:
    """Name the layers whose weights something else uses, too."""
    uses = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    return {
        name: "its weights are shared"
        for name, module in model.named_modules()
        if isinstance(module, LAYERS)
        and any(uses[id(weight)] > 1 for weight in module.parameters(recurse=False))
    }


def _windows(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d, padded: torch.Tensor) -> torch.Tensor:
    """View padded inputs as (n, *output positions, channels, *kernel), without a copy."""
    kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    sample, channel, *space = padded.stride()
    sizes = [
        (length - d * (k - 1) - 1) // s + 1
        for length, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    ]
    return padded.as_strided(
        (len(padded), *sizes, padded.shape[1], *kernel),
        (
            sample,
            *(step * s for step, s in zip(space, stride, strict=True)),
            channel,
            *(step * d for step, d in zip(space, dilation, strict=True)),
        ),
    )
