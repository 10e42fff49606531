"""Candidates near the front that may be worth trying: more training, other flags, other weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, cast

import numpy as np

from evaluators.candidate import DENSE, Candidate, Distillation, Sparsity
from search.parameters import ParameterSpace, nearest_value
from search.policy.rungs import rungs
from spaces.dimensions import Choice, Dimension, Fixed, Value

Arm = Literal["sampled", "prefix", "training", "tuning", "rung", "sweep"]

_MOST_VALUES = 6
"""Of a dimension with more values, this many are drawn."""
_DEFAULT_TEMPERATURE, _DEFAULT_ALPHA = 4.0, 0.5


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate to try next.

    Attributes:
        arm: ``sampled``: the sampler chooses; ``prefix``: another model, pruned a little otherwise
            and not trained; ``training``: another one, pruned a little otherwise or for a rung more
            or less, and trained; ``tuning``: one trained with another temperature or alpha;
            ``rung``: more training of one; ``sweep``: another configuration of an engine for one.
        parent: Number of the trial it comes from.
        candidate: What it comes to; for a rung, temperature and alpha are the sampler's to choose.
        gain: Hypervolume that it should add.
        seconds: What it should cost.
    """

    arm: Arm
    parent: int
    candidate: Candidate
    gain: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Neighbours:
    """Makes candidates of a space that differ in one respect from one that was measured."""

    space: ParameterSpace
    rng: np.random.Generator

    @cached_property
    def ladder(self) -> tuple[int, ...]:
        """The rungs of the space."""
        return rungs(self.space.distillation["epochs"])

    def trained(self, candidate: Candidate, epochs: int) -> Candidate:
        """Return the candidate with so many epochs of training."""
        temperature = nearest_value(self.space.distillation["temperature"], _DEFAULT_TEMPERATURE)
        alpha = nearest_value(self.space.distillation["alpha"], _DEFAULT_ALPHA)
        settings = Distillation(epochs, float(temperature), float(alpha))
        return replace(candidate, distillation=settings)

    def other_flags(self, candidate: Candidate, known: Iterable[Candidate]) -> Iterator[Candidate]:
        """Yield the same model with one flag, setting or mode changed, or run as ``known`` ones."""
        for other in known:
            if other.sparsity_pattern is not None or not candidate.has_pattern:
                yield self._with_configuration(candidate, other)
        engine = self.space.engines[candidate.engine]
        for name in candidate.flags:
            for value in self._values(engine.flags[name]):
                yield replace(candidate, flags={**candidate.flags, name: value})
        for name in candidate.quantization:
            for value in self._values(self.space.quantization[name]):
                yield replace(candidate, quantization={**candidate.quantization, name: value})
        for mode in self._values(self.space.power_mode) if self.space.power_mode else ():
            yield replace(candidate, power_mode=str(mode))

    def other_widths(self, candidate: Candidate) -> Iterator[Candidate]:
        """Yield it with a little more or less pruned: trained as it is, and at the lowest rung."""
        starts = self._starts(candidate)
        for sparsity in self._near_sparsities(candidate):
            for start in starts:
                # The options of pruning exist only where something is pruned.
                yield self.space.nearest(replace(start, sparsity=sparsity))

    def other_patterns(self, candidate: Candidate) -> Iterator[Candidate]:
        """Yield the same widths with other zeros: trained as it is, and at the lowest rung."""
        if candidate.sparsity_pattern is None:
            return
        for pattern in self._values(self.space.sparsity_pattern):
            if pattern != candidate.sparsity_pattern:
                for start in self._starts(candidate):
                    yield replace(start, sparsity_pattern=str(pattern))

    def other_epochs(self, candidate: Candidate) -> Iterator[Candidate]:
        """Yield a trained model as it would be after the next rung, or the one before.

        A longer training isn't always the better one.
        """
        tuning = candidate.distillation
        if tuning is None:
            return
        at = self.ladder.index(tuning.epochs)
        for epochs in self.ladder[max(0, at - 1) : at + 2]:
            if epochs not in (0, tuning.epochs):
                yield replace(candidate, distillation=replace(tuning, epochs=epochs))

    def other_tuning(self, candidate: Candidate) -> Iterator[Candidate]:
        """Yield a trained model as it would be with another temperature or alpha."""
        tuning = candidate.distillation
        if tuning is None:
            return
        for temperature in self._values(self.space.distillation["temperature"]):
            yield replace(candidate, distillation=replace(tuning, temperature=float(temperature)))
        for alpha in self._values(self.space.distillation["alpha"]):
            yield replace(candidate, distillation=replace(tuning, alpha=float(alpha)))

    def _starts(self, candidate: Candidate) -> list[Candidate]:
        """Return it as it is, and at the lowest rung where it is trained and needn't be."""
        if self.ladder[0] > 0 or candidate.distillation is None:
            return [candidate]
        return [candidate, replace(candidate, distillation=None)]

    def _near_sparsities(self, candidate: Candidate) -> Iterator[Sparsity]:
        if not isinstance(self.space.sparsity, Mapping):
            yield from self._near(self.space.sparsity, cast("float", candidate.sparsity))
            return
        chosen = cast("Mapping[str, float]", candidate.sparsity)
        for group, dimension in self.space.sparsity.items():
            for value in self._near(dimension, chosen[group]):
                yield {**chosen, group: value}

    def _with_configuration(self, candidate: Candidate, other: Candidate) -> Candidate:
        """Return the same model run as another is, whose engine may know nothing of patterns."""
        pattern = other.sparsity_pattern and (candidate.sparsity_pattern or DENSE)
        return replace(
            candidate,
            engine=other.engine,
            precision=other.precision,
            quantization=other.quantization,
            flags=other.flags,
            power_mode=other.power_mode,
            sparsity_pattern=pattern,
        )

    def _values(self, dimension: Dimension) -> Sequence[Value]:
        if isinstance(dimension, Fixed):
            return ()
        if isinstance(dimension, Choice):
            options = list(dimension.options)
            drawn = self.rng.permutation(len(options))[:_MOST_VALUES]
            return [options[position] for position in drawn]
        draws = self.rng.uniform(dimension.min, dimension.max, _MOST_VALUES)
        return list(dict.fromkeys(nearest_value(dimension, float(draw)) for draw in draws))

    def _near(self, dimension: Dimension, value: float) -> Sequence[float]:
        """Return values on both sides: the two next ones of a grid, or some of a range."""
        if isinstance(dimension, Fixed):
            return ()
        if isinstance(dimension, Choice):
            options = cast("list[float]", list(dimension.options))
            at = options.index(value)
            return [options[i] for i in (at - 2, at - 1, at + 1, at + 2) if 0 <= i < len(options)]
        step = dimension.step or (dimension.max - dimension.min) / 16
        wanted = [value + count * step for count in (-2, -1, 1, 2)]
        inside = [w for w in wanted if dimension.min - 1e-9 <= w <= dimension.max + 1e-9]
        return [float(nearest_value(dimension, w)) for w in inside]
