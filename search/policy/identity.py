"""When two candidates are alike: in all, in their model, or in how it is pruned.

What is said here holds by their parameters alone; `search.policy.pruned_models` knows which ways of
pruning came to the same model.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from evaluators.candidate import Candidate


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


def quantization_of(candidate: Candidate) -> Hashable:
    """Return the settings of the quantizer."""
    return tuple(sorted(candidate.quantization.items()))


def rung_of(candidate: Candidate) -> Hashable:
    """Return what a pruned model is trained to, however that is done."""
    return prefix_of(candidate), candidate.epochs
