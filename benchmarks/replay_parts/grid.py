"""The grid that is recorded and replayed: every point of `benchmarks/spaces/grid.yaml`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from evaluators.engines import load_engine
from evaluators.flag import FlagValue
from spaces.dimensions import Choice, Dimension, Fixed, Range, Value
from spaces.load import load_space
from spaces.schema import Space

SPACE_FILE = Path(__file__).parents[1] / "spaces" / "grid.yaml"
PLAIN, RECONSTRUCTED = "plain", "reconstructed"
STARTS = (PLAIN, RECONSTRUCTED)
"""What fine-tuning starts from: the pruned weights as they are, or reconstructed ones."""
ENGINES = ("onnxruntime", "openvino")
TEACHER_OUTPUTS = "teacher_outputs"
"""Begins the name of what the teacher's outputs cost, which ends in the number of epochs."""


class ModelPoint(NamedTuple):
    """A compressed model; without epochs, temperature and alpha are 0 and mean nothing."""

    start: str
    sparsity: float
    epochs: int
    temperature: float
    alpha: float


class ShapePoint(NamedTuple):
    """How a model of some shape is compiled: what latency and memory depend on.

    Attributes:
        flags: Sorted by name, without those that say what is there: a table is of one machine.
    """

    sparsity: float
    engine: str
    precision: str
    flags: tuple[tuple[str, FlagValue], ...]


def grid_space(overrides: Sequence[str] = ()) -> Space:
    """Return the space of the grid; overrides, as ``--set`` has them, may only leave points out."""
    return load_space(SPACE_FILE, overrides)


def model_points(space: Space, start: str) -> Iterator[ModelPoint]:
    """Yield the models of one start: all that the first temperature needs before the next."""
    tuning = space.search.distillation
    assert isinstance(space.search.sparsity, Range)
    temperatures, alphas = options(tuning.temperature), options(tuning.alpha)
    for temperature, alpha, epochs, sparsity in itertools.product(
        temperatures, alphas, options(tuning.epochs), options(space.search.sparsity)
    ):
        if epochs:
            settings = (int(epochs), float(temperature), float(alpha))
            yield ModelPoint(start, float(sparsity), *settings)
        elif (temperature, alpha) == (temperatures[0], alphas[0]):
            yield ModelPoint(start, float(sparsity), 0, 0.0, 0.0)


def shape_points(space: Space, cpu_count: int) -> Iterator[ShapePoint]:
    """Yield every shape at every precision of every engine with all flags that matter."""
    assert isinstance(space.search.sparsity, Range)
    for name in space.device.engines:
        engine = load_engine(name)
        for precision in space.search.precision or ():
            if precision not in engine.forms:
                continue
            known = engine.flags(cpu_count)
            named = space.search.engine_flags[name]
            varying = {
                n: options(named[n])
                for n, flag in known.items()
                if flag.matters_for(precision) and not flag.is_hardware
            }
            for values in itertools.product(*varying.values()):
                flags = dict(zip(varying, values, strict=True))
                for sparsity in options(space.search.sparsity):
                    if engine.refusal(precision, flags) is None:
                        yield ShapePoint(float(sparsity), name, precision, sorted_flags(flags))


def sorted_flags(flags: Mapping[str, FlagValue]) -> tuple[tuple[str, FlagValue], ...]:
    """Return flags as a part of a key."""
    return tuple(sorted(flags.items()))


def options(dimension: Dimension) -> tuple[Value, ...]:
    """Return every value of a dimension that isn't continuous."""
    if isinstance(dimension, Fixed):
        return (dimension.value,)
    if isinstance(dimension, Choice):
        return tuple(dimension.options)
    assert dimension.step is not None
    count = round((dimension.max - dimension.min) / dimension.step) + 1
    return tuple(round(dimension.min + k * dimension.step, 12) for k in range(count))
