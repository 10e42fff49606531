"""The search space as Optuna sees it: stable dotted names, conditional groups, true values.

One walk, `ParameterSpace.candidate`, serves every purpose: asking a trial, and turning a candidate
into the parameters that would suggest it. A fixed dimension is never a parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import cast

import optuna

from evaluators.candidate import DENSE, POWER_MODE, Candidate, Distillation
from evaluators.engines.engine import Engine
from evaluators.flag import Flag
from evaluators.quantize import settings_of
from spaces.dimensions import Choice, Dimension, Fixed, Range, Value, is_number

_FLOAT_DIGITS = 12  # 0.15000000000000002 is the grid's 0.15
_ONLY_DENSE = Fixed(DENSE)

RANK = ".rank"
"""Ends the name of a parameter that is a position in a list of unevenly spaced numbers, such as
``distillation.epochs.rank`` for 0, 1, 2, 4: Optuna has no other way to know that 2 lies near 4."""

Choose = Callable[[str], Value]
"""Give a value for the parameter of this name."""


@dataclass(frozen=True, slots=True)
class EngineSpace:
    """One engine and what may vary on it.

    Attributes:
        known_flags: The engine's own description of each flag.
        flags: The dimension of each, from the space file or the engine's own range.
    """

    engine: Engine
    precision: Dimension
    known_flags: Mapping[str, Flag]
    flags: Mapping[str, Dimension]


@dataclass(frozen=True)
class ParameterSpace:
    """Every dimension, fixed ones too.

    Names are ``engine``, ``precision`` (``<engine>.precision`` where there are several engines,
    because each accepts its own), ``sparsity`` or ``sparsity.<group>``, ``sparsity_pattern``,
    ``pruning.*``, ``distillation.*``, ``quantization.*``, ``<engine>.<flag>``, ``device.*``.

    Conditions: temperature and alpha exist where there are epochs, pruning options where channels
    go, a pattern where the engine has kernels for one, settings by quantizer, flags by engine.
    """

    engines: Mapping[str, EngineSpace]
    sparsity: Dimension | Mapping[str, Dimension]
    pruning: Mapping[str, Dimension]
    distillation: Mapping[str, Dimension]
    quantization: Mapping[str, Dimension]
    power_mode: Dimension | None = None
    sparsity_pattern: Dimension = _ONLY_DENSE

    @cached_property
    def dimensions(self) -> Mapping[str, Dimension]:
        """Every dimension by its name."""
        names = list(self.engines)
        engine: Dimension = Fixed(names[0]) if len(names) == 1 else Choice(tuple(names))
        found: dict[str, Dimension] = {"engine": engine}
        for name, space in self.engines.items():
            found[self._precision_name(name)] = space.precision
            found |= {f"{name}.{flag}": dim for flag, dim in space.flags.items()}
        if isinstance(self.sparsity, Mapping):
            found |= {f"sparsity.{group}": dim for group, dim in self.sparsity.items()}
        else:
            found["sparsity"] = self.sparsity
        if self.sparsity_pattern != _ONLY_DENSE:
            found["sparsity_pattern"] = self.sparsity_pattern
        for prefix in ("pruning", "distillation", "quantization"):
            found |= {f"{prefix}.{name}": dim for name, dim in getattr(self, prefix).items()}
        if self.power_mode is not None:
            found[POWER_MODE] = self.power_mode
        return found

    @cached_property
    def searched(self) -> Mapping[str, Dimension]:
        """The dimensions that aren't fixed."""
        return {name: dim for name, dim in self.dimensions.items() if not isinstance(dim, Fixed)}

    def candidate(self, choose: Choose) -> Candidate:
        """Walk the space, asking ``choose`` for each parameter that exists on this path."""
        name = str(choose("engine"))
        space = self.engines[name]
        precision = str(choose(self._precision_name(name)))
        sparsity = self._sparsity(choose)
        pruned = any(sparsity.values()) if isinstance(sparsity, dict) else sparsity > 0
        return Candidate(
            engine=name,
            precision=precision,
            sparsity=sparsity,
            sparsity_pattern=self._sparsity_pattern(space.engine, choose),
            distillation=_distillation(choose),
            quantization={
                setting: choose(f"quantization.{setting}")
                for setting in quantizer_settings(space.engine, precision)
            },
            flags={
                flag: choose(f"{name}.{flag}")
                for flag, known in space.known_flags.items()
                if known.matters_for(precision)
            },
            importance=str(choose("pruning.importance")) if pruned else "l2",
            round_to=int(choose("pruning.round_to")) if pruned else 16,
            power_mode=None if self.power_mode is None else str(choose(POWER_MODE)),
        )

    def params_of(self, wanted: Candidate) -> dict[str, Value] | None:
        """Return the parameters that suggest ``wanted``, or None if it lies outside the space."""
        values = self._values(wanted)
        taken = self._asked_for(lambda name: values[name])
        if not all(self.dimensions[name].contains(value) for name, value in taken.items()):
            return None
        searched = self.searched
        encoded = (_encode(n, searched[n], v) for n, v in taken.items() if n in searched)
        return dict(encoded)

    def params_fixing(self, name: str, value: Value) -> dict[str, Value]:
        """Return the parameters that fix one dimension, none where it isn't searched."""
        dimension = self.searched.get(name)
        return {} if dimension is None else dict([_encode(name, dimension, value)])

    def candidate_of(self, params: Mapping[str, Value]) -> Candidate:
        """Return what Optuna's parameters suggest.

        Raises:
            KeyError: If a parameter is missing.
        """
        return self.candidate(lambda name: _decode(name, self.dimensions[name], params))

    def nearest(self, wanted: Candidate) -> Candidate:
        """Return the candidate of this space that is nearest to ``wanted``, value by value."""
        values = self._values(wanted)
        return self.candidate(lambda name: nearest_value(self.dimensions[name], values.get(name)))

    def ask(self, trial: optuna.Trial) -> Candidate:
        """Let Optuna choose."""
        return self.candidate(lambda name: _suggest(trial, name, self.dimensions[name]))

    def _asked_for(self, choose: Choose) -> dict[str, Value]:
        taken: dict[str, Value] = {}

        def remember(name: str) -> Value:
            taken[name] = choose(name)
            return taken[name]

        self.candidate(remember)
        return taken

    def _values(self, wanted: Candidate) -> dict[str, Value]:
        defaults: dict[str, Value] = {
            "sparsity_pattern": DENSE,
            "pruning.importance": "l2",
            "pruning.round_to": 16,
        }
        values = defaults | dict(wanted.params())
        if isinstance(self.sparsity, Mapping):
            values |= {f"sparsity.{group}": 0.0 for group in self.sparsity} | wanted.params()
        return {self._precision_name(wanted.engine): wanted.precision, **values}

    def _precision_name(self, engine: str) -> str:
        return "precision" if len(self.engines) == 1 else f"{engine}.precision"

    def _sparsity(self, choose: Choose) -> float | dict[str, float]:
        if isinstance(self.sparsity, Mapping):
            return {group: float(choose(f"sparsity.{group}")) for group in self.sparsity}
        return float(choose("sparsity"))

    def _sparsity_pattern(self, engine: Engine, choose: Choose) -> str | None:
        if self.sparsity_pattern == _ONLY_DENSE or not engine.sparsity_patterns:
            return None
        return str(choose("sparsity_pattern"))


def quantizer_settings(engine: Engine, precision: str) -> dict[str, Value]:
    """Return the settings of the quantizer behind this engine's precision, with their defaults."""
    settings = settings_of(engine.forms[precision])
    return {name: flag.default for name, flag in settings.items()}


def nearest_value(dimension: Dimension, wanted: Value | None) -> Value:
    """Return the value of a dimension nearest to ``wanted``; its first one where nothing is near.

    Only numbers are near one another.
    """
    if isinstance(dimension, Fixed):
        return dimension.value
    if isinstance(dimension, Range):
        return _nearest_in_range(dimension, wanted if is_number(wanted) else dimension.min)
    if wanted is not None and dimension.contains(wanted):
        return wanted
    if not dimension.is_ordered or not is_number(wanted):
        return dimension.options[0]
    numbers = cast("tuple[float, ...]", dimension.options)
    return min(numbers, key=lambda option: abs(option - wanted))


def _nearest_in_range(dimension: Range, wanted: float) -> float:
    inside = min(max(wanted, dimension.min), dimension.max)
    step = dimension.step or (1 if dimension.is_integer else None)
    if step is None:
        return min(max(round(inside, _FLOAT_DIGITS), dimension.min), dimension.max)
    value = dimension.min + round((inside - dimension.min) / step) * step
    return int(value) if dimension.is_integer else round(value, _FLOAT_DIGITS)


def grid_size(dimension: Dimension) -> float:
    """Return how many values a dimension has; infinite for a continuous range."""
    if isinstance(dimension, Fixed):
        return 1
    if isinstance(dimension, Choice):
        return len(dimension.options)
    if dimension.step is None and not dimension.is_integer:
        return math.inf
    return math.floor((dimension.max - dimension.min) / (dimension.step or 1) + 1e-9) + 1


def _distillation(choose: Choose) -> Distillation | None:
    epochs = int(choose("distillation.epochs"))
    if epochs == 0:
        return None
    temperature, alpha = choose("distillation.temperature"), choose("distillation.alpha")
    return Distillation(epochs, float(temperature), float(alpha))


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> Value:
    """Ask Optuna, for numbers wherever the person gave numbers: 0.5 lies near 0.55."""
    if isinstance(dimension, Fixed):
        return dimension.value
    if isinstance(dimension, Choice) and not dimension.is_ordered:
        return cast("Value", trial.suggest_categorical(name, dimension.options))
    if isinstance(dimension, Choice):
        step = even_step(dimension)
        if step is None:
            last = len(dimension.options) - 1
            return dimension.options[trial.suggest_int(name + RANK, 0, last)]
        low, high = cast("list[float]", [dimension.options[0], dimension.options[-1]])
        whole = all(isinstance(option, int) for option in dimension.options)
        number = _suggest_number(trial, name, Range(low, high, step, is_integer=whole))
        return nearest_value(dimension, number)
    return _suggest_number(trial, name, dimension)


def _suggest_number(trial: optuna.Trial, name: str, dimension: Range) -> float:
    if dimension.is_integer:
        low, high, step = int(dimension.min), int(dimension.max), int(dimension.step or 1)
        return trial.suggest_int(name, low, high, step=step, log=dimension.log)
    value = trial.suggest_float(
        name, dimension.min, dimension.max, step=dimension.step, log=dimension.log
    )
    return round(value, _FLOAT_DIGITS)


def even_step(choice: Choice) -> float | None:
    """Return the step between ordered numbers, or None where they are unevenly spaced."""
    options = cast("tuple[float, ...]", choice.options)
    # As written: 0.3 - 0.2 is 0.1 only in decimals, and Optuna refuses a step that doesn't divide.
    steps = {Decimal(str(high)) - Decimal(str(low)) for low, high in pairwise(options)}
    return float(steps.pop()) if len(steps) == 1 else None


def _encode(name: str, dimension: Dimension, value: Value) -> tuple[str, Value]:
    """Return the Optuna parameter that stands for a value."""
    if _is_ranked(dimension):
        assert isinstance(dimension, Choice)
        return name + RANK, dimension.options.index(value)
    return name, value


def _decode(name: str, dimension: Dimension, params: Mapping[str, Value]) -> Value:
    if isinstance(dimension, Fixed):
        return dimension.value
    if _is_ranked(dimension):
        assert isinstance(dimension, Choice)
        return dimension.options[int(params[name + RANK])]
    value = params[name]
    value = round(value, _FLOAT_DIGITS) if isinstance(value, float) else value
    return nearest_value(dimension, value) if isinstance(dimension, Choice) else value


def _is_ranked(dimension: Dimension) -> bool:
    return isinstance(dimension, Choice) and dimension.is_ordered and even_step(dimension) is None
