"""The smallest run that shows that the benchmark still works; its table is a formula."""

import json

import pytest

from benchmarks import gates
from benchmarks.replay_parts.methods import Limits
from search.policy import policy
from tests.benchmarks.replay_parts.tables import write_formula_table


@pytest.fixture
def checked(monkeypatch, tmp_path):
    monkeypatch.setattr(gates, "QUICK", Limits(virtual_s=900.0, trials=60))

    def run():
        table, out = write_formula_table(tmp_path / "table.json.gz"), tmp_path / "figures.json"
        gates.main(["--quick", "--seeds", "2", "--table", str(table), "--out", str(out)])
        return json.loads(out.read_text())

    return run


def test_what_was_refused_is_counted_and_checked(checked, capsys):
    found = checked()
    assert found["stated_at_most"] == 0.05
    assert found["wrong"] <= found["refused"]
    assert "wrong_share" in capsys.readouterr().out


def test_a_gate_that_hopes_for_too_little_is_found_wrong(checked, monkeypatch):
    monkeypatch.setattr(policy, "hoped_metric_cost", lambda costs: max(costs, default=0.0))
    found = checked()
    assert found["refused"] > 0
    assert found["wrong_share"] > found["stated_at_most"]
