"""When two candidates are alike: in all, in their model, or in how it is pruned.

What is said here holds by their parameters alone; `search.policy.pruned_models` knows which ways of
pruning came to the same model.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from evaluators.candidate import Candidate
from spaces.dimensions import Value

Params = Mapping[str, Value]
_TRAINING = "distillation."
_WEIGHTS = ("sparsity", "pruning.", _TRAINING)
_ANSWERS = (*_WEIGHTS, "engine", "precision", "quantization.")


def key_of(candidate: Candidate) -> Hashable:
    """Return what decides all of a candidate."""
    return tuple(sorted(candidate.params().items()))


def prefix_of(candidate: Candidate) -> Hashable:
    """Return what decides the pruned model, before any fine-tuning."""
    sparsity = candidate.sparsity
    groups = tuple(sorted(sparsity.items())) if isinstance(sparsity, Mapping) else sparsity
    pruned = (candidate.importance, candidate.round_to) if candidate.loses_channels else ()
    pattern = (candidate.sparsity_pattern,) if candidate.has_pattern else ()
    return groups, *pruned, *pattern


def model_of(candidate: Candidate) -> Hashable:
    """Return what decides the compressed model."""
    return prefix_of(candidate), candidate.distillation


def answers_of(candidate: Candidate) -> Hashable:
    """Return what decides what a candidate answers, but for what flags do to rounding."""
    return model_of(candidate), candidate.engine, candidate.precision, quantization_of(candidate)


def speed_of(candidate: Candidate) -> Hashable:
    """Return what decides speed and memory: how a model was trained doesn't."""
    return tuple(sorted(speed_params(candidate.params()).items()))


def model_params(params: Params) -> Params:
    """Return the parameters that decide the weights."""
    return {name: value for name, value in params.items() if name.startswith(_WEIGHTS)}


def answer_params(params: Params) -> Params:
    """Return the parameters that decide what a candidate answers, but for rounding."""
    return {name: value for name, value in params.items() if name.startswith(_ANSWERS)}


def speed_params(params: Params) -> Params:
    """Return the parameters that decide speed and memory."""
    return {name: value for name, value in params.items() if not name.startswith(_TRAINING)}


def quantization_of(candidate: Candidate) -> Hashable:
    """Return the settings of the quantizer."""
    return tuple(sorted(candidate.quantization.items()))


def rung_of(candidate: Candidate) -> Hashable:
    """Return what a pruned model is trained to, however that is done."""
    return prefix_of(candidate), candidate.epochs
