"""The smallest run that shows that the benchmark still works; its table is a formula."""

import json

import pytest

from benchmarks import gates
from benchmarks.replay_parts.methods import Limits
from search.policy import outlook
from tests.benchmarks.replay_parts.tables import write_formula_table

LIMITS = Limits(virtual_s=900.0, trials=60)


@pytest.fixture
def table(tmp_path):
    return write_formula_table(tmp_path / "table.json.gz")


def test_what_was_refused_is_counted_and_checked(monkeypatch, table, tmp_path, capsys):
    monkeypatch.setattr(gates, "QUICK", LIMITS)
    out = tmp_path / "figures.json"
    gates.main(["--quick", "--seeds", "1", "--table", str(table), "--out", str(out)])
    found = json.loads(out.read_text())
    assert found["stated_at_most"] == 0.05
    assert found["wrong"] <= found["refused"]
    assert "wrong_share" in capsys.readouterr().out


def test_a_gate_that_hopes_for_too_little_is_found_wrong(monkeypatch, table):
    monkeypatch.setattr(outlook, "hoped_metric_cost", lambda mean, spread, models: mean + 0.05)
    found = gates.figures_of([gates.check(seed, limits=LIMITS, table=table) for seed in range(8)])
    assert found["refused"] > 0
    assert found["saved_s"] > 0
    assert found["wrong_share"] > found["stated_at_most"]
