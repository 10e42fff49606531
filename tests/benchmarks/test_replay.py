"""The smallest run that shows that the benchmark still works; its table is a formula."""

import json

import pytest

from benchmarks import replay
from benchmarks.replay_parts.methods import METHODS, SAMPLERS, Limits
from tests.benchmarks.replay_parts.tables import write_formula_table


@pytest.fixture
def replayed(monkeypatch, tmp_path):
    monkeypatch.setattr(replay, "QUICK", Limits(virtual_s=300.0, trials=20))

    def run(*more):
        table, out = write_formula_table(tmp_path / "table.json.gz"), tmp_path / "figures.json"
        replay.main(["--quick", "--seeds", "2", "--table", str(table), "--out", str(out), *more])
        return json.loads(out.read_text())

    return run


def test_figures_are_flat_and_a_plot_lies_beside_them(replayed, tmp_path):
    found = replayed()
    assert {"time_to_98_ratio_tpe", "time_to_98_ratio_nsga2", "time_to_95_ratio_tpe"} <= set(found)
    assert found["seeds"] == 2
    assert found["quick"] is True
    assert not any(isinstance(value, dict | list) for value in found.values())
    plot = (tmp_path / "figures.html").read_text()
    assert all(name in plot for name in METHODS)


def test_what_is_printed_says_where_the_time_went(replayed, capsys):
    replayed()
    printed = capsys.readouterr().out
    assert "2 seeds, best hypervolume" in printed
    assert "distill" in printed


def test_samplers_are_compared_with_the_default_one(replayed):
    found = replayed("--samplers")
    others = list(SAMPLERS)[1:]
    assert all(f"time_to_98_ratio_{name}" in found for name in others)
