"""Structured pruning: whole channels go, so the model is smaller for every engine.

Each layer gives up the same fraction of its channels (uniform, not global: a global ranking keeps
wide layers whole where the time is spent). ``nn.MultiheadAttention`` loses equally many dimensions
of every head.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from evaluators.compress.coupled_layers import LAYERS, prunable_layers, width
from evaluators.failures import CandidateRejected, InputError
from spaces.workload import Array, output_tensors

Sparsity = float | Mapping[str, float]

Widths = dict[str, dict[str, int | tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What pruning did.

    Attributes:
        macs_before: Multiply-accumulates of one batch in convolutions and matrix products.
        channel_sparsity: Fraction of all output channels of convolutions and linear layers gone.
        kept_channels: Layer -> which of its channels in the original model are left, for every
            layer that lost some.
    """

    parameters_before: int
    parameters_after: int
    macs_before: int
    macs_after: int
    channel_sparsity: float
    kept_channels: dict[str, list[int]]


def prune(
    model: nn.Module,
    example_inputs: Mapping[str, Array],
    sparsity: Sparsity,
    *,
    importance: str,
    round_to: int,
) -> tuple[nn.Module, PruneReport]:
    """Return a smaller copy of the model, in eval mode; every parameter of it is trainable.

    Layers whose outputs are added lose the same channels, those whose importance, summed over all
    of them, is lowest. Widths are rounded to the nearest multiple of ``round_to``, halved for a
    layer until it has two widths to choose from: with 16, a layer of 16 channels may have 8 or 16.
    At least one multiple is always left.

    Args:
        model: Not changed.
        example_inputs: One batch, in the order ``forward`` takes them.
        sparsity: Fraction of channels to remove from each prunable layer, before rounding, in
            [0, 1); or one fraction for each group of layers, by the prefix of their module names
            (the longest that fits; layers in none stay whole, unless an addition couples them to
            one). Coupled layers share the smallest fraction that was asked for any of them.
        importance: ``l2`` or ``l1``: that norm of a channel's weights, torch-pruning's
            ``GroupMagnitudeImportance``; ``bn_scale``: the size of its BatchNorm scale,
            ``BNScaleImportance``, and ``l2`` for layers without BatchNorm.
        round_to: Widths an engine runs well; 8 or 16.

    Raises:
        CandidateRejected: If the smaller model doesn't run.
        InputError: If a prefix fits no layer that could be pruned, or the model has none.
    """
    inputs = tuple(torch.tensor(array) for array in example_inputs.values())
    dense = copy.deepcopy(model).eval()
    student = copy.deepcopy(dense).requires_grad_(True)
    fractions = _checked(sparsity)
    kept: dict[str, list[int]] = {}
    if any(fraction > 0 for fraction in fractions.values()):
        kept = _remove_channels(student, inputs, fractions, importance, round_to)
        _require_same_outputs(dense, student, inputs)
    return student, PruneReport(
        parameters_before=_parameter_count(model),
        parameters_after=_parameter_count(student),
        macs_before=count_macs(dense, inputs),
        macs_after=count_macs(student, inputs),
        channel_sparsity=1 - _channel_count(student) / _channel_count(model),
        kept_channels=kept,
    )


def count_macs(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    """Count the multiply-accumulates of one forward pass in convolutions and matrix products.

    The model has to be in eval mode, or its BatchNorm statistics change.
    """
    # Fused attention isn't counted, so it is kept from being fused: by gradients in torch's own
    # MultiheadAttention, by the kernel elsewhere.
    counter = FlopCounterMode(display=False)
    with counter, torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        model(*inputs)
    return int(counter.get_total_flops()) // 2


def _checked(sparsity: Sparsity) -> Mapping[str, float]:
    fractions = dict(sparsity) if isinstance(sparsity, Mapping) else {"": sparsity}
    for fraction in fractions.values():
        if not 0 <= fraction < 1:
            raise ValueError(f"sparsity must be in [0, 1), but got {fraction}.")
    return fractions


def _remove_channels(
    student: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    fractions: Mapping[str, float],
    importance: str,
    round_to: int,
) -> dict[str, list[int]]:
    """Prune in place; return the channels that are left, by the name of each layer."""
    _require_traceable(student)
    coupled = prunable_layers(student, inputs)
    _require_known_groups(fractions, [name for layers in coupled for name in layers.names])
    # All are ranked before any is cut: the first cuts would change the importance of the rest.
    plans = [
        (layers, layers.least_important(fraction, importance, round_to))
        for layers in coupled
        if (fraction := _fraction_of(layers.names, fractions)) > 0
    ]
    kept: dict[str, list[int]] = {}
    for layers, channels in plans:
        for name, left in layers.remove(channels).items() if channels else ():
            # A layer that takes part in two sets is cut twice, the second time by its new numbers.
            kept[name] = [kept[name][channel] for channel in left] if name in kept else left
    return kept


def _fraction_of(names: list[str], fractions: Mapping[str, float]) -> float:
    asked = []
    for name in names:
        fitting = [prefix for prefix in fractions if _fits(name, prefix)]
        if fitting:
            asked.append(fractions[max(fitting, key=len)])
    return min(asked, default=0.0)


def _fits(name: str, prefix: str) -> bool:
    return not prefix or name == prefix or name.startswith(f"{prefix}.")


def _require_traceable(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase) and not isinstance(module, nn.LSTM):
            raise InputError(
                f"sparsity needs layers that torch-pruning can follow, but {name!r} is an "
                f"nn.{type(module).__name__}. Set search.sparsity: 0 for this model."
            )


def _require_known_groups(fractions: Mapping[str, float], names: list[str]) -> None:
    if not names:
        raise InputError(
            "sparsity needs a layer that can lose channels, but all of this model's make its "
            "outputs or belong to attention. Set search.sparsity: 0."
        )
    for prefix in fractions:
        if not any(_fits(name, prefix) for name in names):
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            raise InputError(
                f"sparsity must name groups of layers that can be pruned, but got {prefix!r}. "
                f"This model has {known}, and what lies below them."
            )


def _require_same_outputs(
    dense: nn.Module, student: nn.Module, inputs: tuple[torch.Tensor, ...]
) -> None:
    with torch.no_grad():
        wanted = [tuple(output.shape) for output in output_tensors(dense(*inputs))]
        try:
            got = [tuple(output.shape) for output in output_tensors(student(*inputs))]
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            raise CandidateRejected(_unprunable(" ".join(str(error).split()))) from error
    if got != wanted:
        raise CandidateRejected(_unprunable(f"its outputs are {got} instead of {wanted}"))


def _unprunable(why: str) -> str:
    return (
        f"sparsity must leave a model that runs, but the pruned one doesn't: {why[:300]}. "
        "Its code may hold widths of its own; give sparsity by group and leave those layers out."
    )


def _channel_count(model: nn.Module) -> int:
    return sum(width(module) for module in model.modules() if isinstance(module, LAYERS))


def _parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def save_compressed(model: nn.Module, path: Path) -> None:
    """Write a model whose layers may have shrunk since it was built: tensors and widths, no code.

    The file holds the state_dict and, for every module, its attributes that are whole numbers or
    tuples of them (``out_channels``, ``normalized_shape``, ...), because pruning changes those too.
    With the model before pruning that is enough to make it again.
    """
    torch.save({"tensors": model.state_dict(), "widths": _widths(model)}, path)


def load_compressed(dense: nn.Module, path: Path) -> nn.Module:
    """Read a model that `save_compressed` wrote.

    Args:
        dense: The model it was compressed from; not changed.
        path: The file.

    Returns:
        A copy in eval mode, of the file's shapes and weights.
    """
    saved = torch.load(path, weights_only=True)
    model = copy.deepcopy(dense)
    for name, module in model.named_modules():
        for attribute, value in saved["widths"][name].items():
            setattr(module, attribute, value)
    _resize(model, saved["tensors"])
    model.load_state_dict(saved["tensors"])
    return model.eval()


def _widths(model: nn.Module) -> Widths:
    return {
        name: {key: value for key, value in vars(module).items() if _is_width(value)}
        for name, module in model.named_modules()
    }


def _is_width(value: object) -> bool:
    if isinstance(value, tuple):
        return all(type(item) is int for item in value)
    return type(value) is int  # a bool is an int to isinstance


def _resize(model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in model.state_dict(keep_vars=True).items():
        wanted = tensors[name].shape
        if tensor.shape == wanted:
            continue
        owner, _, attribute = name.rpartition(".")
        empty = torch.empty(wanted, dtype=tensor.dtype)
        is_parameter = isinstance(tensor, nn.Parameter)
        setattr(
            model.get_submodule(owner), attribute, nn.Parameter(empty) if is_parameter else empty
        )
