"""Which layers have to lose the same channels, and which channels matter least.

torch-pruning traces the model and finds the coupled layers. How many channels go, and which, is
decided here, because its own rounding only rounds widths down: it would halve a layer of 16
channels at sparsity 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch_pruning as tp
from torch import nn
from torch.nn.modules.conv import _ConvNd

LAYERS = (_ConvNd, nn.Linear)
LEAST_WIDTHS = 2
"""How many widths a layer is to have to choose from; narrow layers are rounded more finely."""


class CoupledLayers:
    """Layers that can only lose the same channels, e.g. all whose outputs are added up.

    Attributes:
        names: The convolutions and linear layers whose output channels these are.
    """

    def __init__(self, graph: Any, group: Any, names: Mapping[nn.Module, str]) -> None:
        self._graph = graph
        self._group = group
        self._layers = {module: names[module] for module in _producers(graph, group)}
        self.names = list(self._layers.values())

    def least_important(self, fraction: float, importance: str, round_to: int) -> list[int]:
        """Return which channels of the first layer go; none where rounding keeps all."""
        scores = _scores(self._group, importance)
        if scores is None:
            return []
        # Grouped convolutions, GroupNorm and heads stay even: each part loses the same positions.
        parts = math.lcm(*(_part_count(self._graph, dep.target.module) for dep, _ in self._group))
        size = len(scores) // parts
        kept = rounded_width(len(scores), fraction, round_to, parts) // parts
        order = torch.argsort(scores.view(parts, size).mean(0), stable=True)
        positions = order[: size - kept].tolist()
        return sorted(part * size + position for part in range(parts) for position in positions)

    def remove(self, channels: list[int]) -> dict[str, list[int]]:
        """Cut these channels out of the model; return which of each layer's are left."""
        root = self._group[0].dep
        cut = self._graph.get_pruning_group(root.target.module, root.handler, channels)
        kept = {}
        for dep, removed in cut:
            layer = dep.target.module
            if layer in self._layers and self._graph.is_out_channel_pruning_fn(dep.handler):
                gone = set(removed)
                kept[self._layers[layer]] = [c for c in range(width(layer)) if c not in gone]
        cut.prune()
        return kept


def prunable_layers(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> list[CoupledLayers]:
    """Trace the model and return every set of layers that may lose channels.

    What makes an output of the model may not. Neither may attention written out in the model's own
    code, nor the residual stream around it: such code splits heads by the width it was written for.
    """
    graph = tp.DependencyGraph().build_dependency(
        model, inputs, forward_fn=lambda module, batch: module(*batch), verbose=False
    )
    names = {module: name for name, module in model.named_modules()}
    groups = list(graph.get_all_groups())
    attention = {
        dep.target.module
        for group in groups
        if _is_own_attention(group)
        for dep, _ in group
        if isinstance(dep.target.module, LAYERS)
    }
    return [
        CoupledLayers(graph, group, names)
        for group in groups
        if attention.isdisjoint(dep.target.module for dep, _ in group)
        and not _makes_an_output(graph, group)
    ]


def rounded_width(channels: int, fraction: float, round_to: int, parts: int = 1) -> int:
    """Return how many of ``channels`` are left when ``fraction`` is to go.

    The nearest multiple of ``round_to``, which is halved until it gives two widths; at least one
    multiple. The result is a multiple of ``parts``, as ``channels`` has to be.
    """
    while round_to > 1 and channels < LEAST_WIDTHS * round_to:
        round_to //= 2
    multiple = math.lcm(round_to, parts)
    wanted = math.floor(channels * (1 - fraction) / multiple + 0.5) * multiple
    return min(channels, max(multiple, wanted))


def width(layer: nn.Module) -> int:
    """Return the output channels of a convolution or linear layer."""
    channels: int = getattr(
        layer, "out_features" if isinstance(layer, nn.Linear) else "out_channels"
    )
    return channels


def _producers(graph: Any, group: Any) -> list[nn.Module]:
    return [
        dep.target.module
        for dep, _ in group
        if isinstance(dep.target.module, LAYERS) and graph.is_out_channel_pruning_fn(dep.handler)
    ]


def _is_own_attention(group: Any) -> bool:
    if any(isinstance(dep.target.module, nn.MultiheadAttention) for dep, _ in group):
        return False
    ops = " ".join(str(dep.target.name) for dep, _ in group)
    return "ScaledDotProduct" in ops or ("Softmax" in ops and "Bmm" in ops)


def _makes_an_output(graph: Any, group: Any) -> bool:
    return any(
        graph.is_out_channel_pruning_fn(dep.handler) and not dep.target.outputs for dep, _ in group
    )


def _scores(group: Any, importance: str) -> torch.Tensor | None:
    """Rank a group's channels; None for a group that holds no weights known to torch-pruning."""
    rankings = {
        "l2": [tp.importance.GroupMagnitudeImportance(p=2)],
        "l1": [tp.importance.GroupMagnitudeImportance(p=1)],
        "bn_scale": [
            tp.importance.BNScaleImportance(),
            tp.importance.GroupMagnitudeImportance(p=2),
        ],
    }
    if importance not in rankings:
        raise ValueError(f"importance must be {', '.join(rankings)}, but got {importance!r}.")
    found = (rank(group) for rank in rankings[importance])
    return next((scores for scores in found if scores is not None), None)


def _part_count(graph: Any, module: Any) -> int:
    """Return in how many equal parts a module splits its channels."""
    if isinstance(module, nn.MultiheadAttention):
        return int(module.num_heads)
    is_depthwise = isinstance(module, _ConvNd) and module.groups == module.out_channels
    return (
        1
        if is_depthwise
        else int(graph.get_pruner_of_module(module).get_out_channel_groups(module))
    )
