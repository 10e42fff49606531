import random

from benchmarks.replay_parts.grid import (
    RECONSTRUCTED,
    STARTS,
    grid_space,
    model_points,
    shape_points,
)
from benchmarks.replay_parts.recorded_plan import recorded_plan
from benchmarks.replay_parts.table_evaluator import model_of, shape_of
from evaluators.engines import load_engine
from spaces.dimensions import Choice, Fixed, Range


def test_every_point_is_there_once():
    space = grid_space()
    models = list(model_points(space, RECONSTRUCTED))
    assert len(models) == len(set(models)) == 9 * (1 + 5 * 2)  # sparsities, epochs, temperatures
    shapes = list(shape_points(space, cpu_count=2))
    assert len(shapes) == len(set(shapes)) == 9 * (2 + 3) * 4  # sparsities, precisions, flags


def test_whatever_the_space_suggests_is_in_the_table(table):
    parameters = recorded_plan(table).parameters
    dimensions = parameters.dimensions
    rng = random.Random(0)
    seen = set()
    for _ in range(500):
        candidate = parameters.candidate(lambda name: _any_value(dimensions[name], rng))
        engine = load_engine(candidate.engine)
        if engine.refusal(candidate.precision, candidate.flags) is None:
            assert shape_of(candidate) in table.shapes
            assert all(model_of(candidate, start) in table.models for start in STARTS)
            seen.add(candidate.engine)
    assert seen == {"onnxruntime", "openvino"}


def _any_value(dimension, rng):
    if isinstance(dimension, Fixed):
        return dimension.value
    if isinstance(dimension, Choice):
        return rng.choice(dimension.options)
    assert isinstance(dimension, Range)
    return round(rng.randint(0, round(dimension.max / dimension.step)) * dimension.step, 12)
