"""What the unpruned model answers at each layer: what reconstruction aims at.

It is the same for every student of a model, so it is computed once.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from evaluators.compress.coupled_layers import LAYERS, width
from evaluators.compress.layer_rows import (
    CONVOLUTIONS,
    output_rows,
    position_count,
    shared_layers,
    why_not_linear,
)
from spaces.workload import Array

MOST_SAMPLES = 512
MOST_POSITIONS = 12_000
"""Rows of one layer's regression, drawn from all positions of its output."""
HELD_OUT_SHARE = 0.2
ACTIVATION_BYTES = 256 * 2**20
"""The most that one layer's output may take for all samples; there are fewer samples then."""
TARGET_BYTES = 512 * 2**20
"""The most that the targets of all layers may take; they have fewer rows then."""


@dataclass(frozen=True, slots=True)
class LayerTargets:
    """One layer's answers at some positions.

    Attributes:
        positions: Shape (rows,), as `evaluators.compress.layer_rows` numbers them.
        values: Shape (rows, channels).
        is_held_out: Shape (rows,): rows of the last samples, kept back to judge a fit.
        norm: The BatchNorm that alone reads this layer's output.
    """

    positions: torch.Tensor
    values: torch.Tensor
    is_held_out: torch.Tensor
    norm: str | None


@dataclass(frozen=True, slots=True)
class DenseTargets:
    """The unpruned model's answers.

    Attributes:
        inputs: The model's inputs, all samples in one batch.
        layers: By name, those that can be reconstructed.
        left: Layer -> why it can't.
    """

    inputs: tuple[torch.Tensor, ...]
    layers: dict[str, LayerTargets]
    left: dict[str, str]

    @property
    def samples(self) -> int:
        """How many samples the answers are of."""
        return len(self.inputs[0])


def dense_targets(model: nn.Module, inputs: Sequence[Array], *, seed: int) -> DenseTargets:
    """Run the unpruned model over a sample of unlabelled data.

    Args:
        model: Not changed; in eval mode.
        inputs: One array of shape (n, ...) for each input of ``forward``.
        seed: Decides which positions are taken.
    """
    one = _Watch(model, rows=1, seed=seed)
    one.run(_samples(inputs, 1))
    count = max(2, min(MOST_SAMPLES, ACTIVATION_BYTES // one.largest_bytes))
    channels = sum(width(module) for module in model.modules() if isinstance(module, LAYERS))
    rows = min(MOST_POSITIONS, TARGET_BYTES // (4 * max(1, channels)))
    return _Watch(model, rows=rows, seed=seed).run(_samples(inputs, count))


def _samples(inputs: Sequence[Array], count: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor(array[:count]) for array in inputs)


class _Watch(TorchFunctionMode):
    """Sees every layer's output, and every function that reads one."""

    def __init__(self, model: nn.Module, *, rows: int, seed: int) -> None:
        super().__init__()
        self._model = model
        self._names = {module: name for name, module in model.named_modules()}
        self._rows = rows
        self._random = torch.Generator().manual_seed(seed)
        self._calls: Counter[str] = Counter()
        self._readers: Counter[str] = Counter()
        self._outputs: dict[int, tuple[weakref.ref[torch.Tensor], str]] = {}
        self._norms: dict[str, str] = {}
        self._targets: dict[str, LayerTargets] = {}
        self._left: dict[str, str] = {}
        self.largest_bytes = 1

    def run(self, inputs: tuple[torch.Tensor, ...]) -> DenseTargets:
        handles = [
            module.register_forward_hook(self._see_layer)
            if isinstance(module, LAYERS)
            else module.register_forward_pre_hook(self._see_norm)
            for module in self._names
            if isinstance(module, (*LAYERS, _BatchNorm))
        ]
        try:
            with torch.no_grad(), self:
                self._model(*inputs)
        finally:
            for handle in handles:
                handle.remove()
        left = self._left | shared_layers(self._model) | self._called_otherwise()
        layers = {
            name: replace(targets, norm=self._norms.get(name) if self._readers[name] == 1 else None)
            for name, targets in self._targets.items()
            if name not in left
        }
        return DenseTargets(inputs, layers, left)

    def _called_otherwise(self) -> dict[str, str]:
        """Name the layers that weren't called once, as a linear map of one input has to be."""
        counts = {n: self._calls[n] for m, n in self._names.items() if isinstance(m, LAYERS)}
        return {
            name: f"it is called {count} times in one pass"
            if count
            else "it isn't called as a layer, e.g. because attention reads its weights"
            for name, count in counts.items()
            if count != 1
        }

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the function, and count it for every layer whose output it turns into a tensor."""
        read = [name for arg in (*args, *(kwargs or {}).values()) for name in self._made_by(arg)]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor | tuple | list):
            self._readers.update(read)
        return result

    def _made_by(self, value: object) -> Iterator[str]:
        if isinstance(value, tuple | list):
            for item in value:
                yield from self._made_by(item)
        elif isinstance(value, torch.Tensor):
            ref, name = self._outputs.get(id(value), (None, ""))
            if ref is not None and ref() is value:
                yield name

    def _see_norm(self, norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if norm.running_mean is not None:
            for name in self._made_by(inputs[0]):
                self._norms[name] = self._names[norm]

    def _see_layer(self, layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        name = self._names[layer]
        self._calls[name] += 1
        for tensor in (inputs[0], output):
            self.largest_bytes = max(self.largest_bytes, tensor.numel() * tensor.element_size())
        why = _untreatable(layer, output)
        if why:
            self._left[name] = why
        else:
            self._targets[name] = self._sample(layer, output)
        self._outputs[id(output)] = (weakref.ref(output), name)

    def _sample(self, layer: nn.Module, output: torch.Tensor) -> LayerTargets:
        count = position_count(layer, output)
        chosen = torch.randperm(count, generator=self._random)[: self._rows]
        first_held_out = int(len(output) * (1 - HELD_OUT_SHARE)) * (count // len(output))
        values = output_rows(layer, output, chosen)
        return LayerTargets(chosen, values, chosen >= first_held_out, None)


def _untreatable(layer: nn.Module, output: torch.Tensor) -> str:
    """Say why a layer isn't a linear map that could be fitted; empty where it is."""
    why = why_not_linear(layer)
    if why:
        return why
    if isinstance(layer, CONVOLUTIONS) and output.ndim != len(layer.kernel_size) + 2:
        return "its input has no batch dimension"
    return ""
