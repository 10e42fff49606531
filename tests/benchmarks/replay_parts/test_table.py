import gzip
import json

import numpy as np
import pytest

from benchmarks.replay_parts.grid import PLAIN, ModelPoint, ShapePoint
from benchmarks.replay_parts.table import read_table, write_table
from tests.benchmarks.replay_parts.tables import AFTERWARDS_S, EPOCH_S, PRUNE_S, SAMPLES


def test_a_model_has_its_costs_and_its_right_answers(table):
    row = table.models[ModelPoint(PLAIN, 0.5, 4, 6.0, 0.5)]
    assert row.costs_s == {"prune": PRUNE_S, "distill": 4 * EPOCH_S, **AFTERWARDS_S}
    answers = row.right["openvino/int8"]
    assert answers.shape == (SAMPLES,)
    assert np.mean(answers) == round(0.95 - 0.8 * 0.5 / 25, 2)


def test_a_shape_is_found_by_its_flags_in_any_order(table):
    flags = {
        "threads": 2,
        "streams": 0,
        "performance_hint": "latency",
    }
    row = table.shapes[ShapePoint(0.5, "openvino", "bf16", tuple(sorted(flags.items())))]
    assert row.latency_p90_s == pytest.approx(0.0021 * 0.25 * 0.5 * 0.9)


def test_equal_content_gives_equal_bytes(tmp_path):
    one, other = tmp_path / "one.gz", tmp_path / "other.gz"
    for path in (one, other):
        write_table(path, {"about": "x"}, {"models": [{"point": [1]}]})
    assert one.read_bytes() == other.read_bytes()


def test_a_table_of_another_version_is_refused(tmp_path):
    path = tmp_path / "table.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"version": 0}).encode()))
    with pytest.raises(ValueError, match="must be of version 1, but is of 0"):
        read_table(path)
