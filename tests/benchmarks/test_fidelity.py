"""The smallest run that shows that the benchmark still works; its numbers mean nothing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import fidelity
from benchmarks.fidelity_parts import memory
from benchmarks.fidelity_parts.artifacts import Net
from benchmarks.fidelity_parts.rig import QUICK

pytestmark = pytest.mark.measures

README = Path(__file__).parents[2] / "README.md"
NET = Net(width=8, size=8, blocks=1)
CHOICE = (NET, "onnxruntime", "fp32")


@pytest.fixture
def figures(monkeypatch, tmp_path):
    """Run parts with ``--quick``, made even smaller; memory on NumPy alone."""
    smallest = dataclasses.replace(
        QUICK,
        timing={"min_queries": 64, "min_duration_s": 0.02, "offline_s": 0.01},
        repeated=(CHOICE,),
        pairs=1,
        covered=(CHOICE,),
        coverage_repeats=1,
    )
    monkeypatch.setattr(fidelity, "QUICK", smallest)
    monkeypatch.setattr(memory, "engine_names", list)

    def run(*parts):
        only = [argument for part in parts for argument in ("--only", part)]
        fidelity.main(["--quick", *only, "--out", str(tmp_path / "figures.json")])
        return json.loads((tmp_path / "figures.json").read_text())

    return run


def test_parts_run_alone_and_give_flat_figures(figures):
    found = figures("repeat", "coverage")
    assert {"repeat_within_3pct", "repeat_busy_within_5pct_or_flagged", "coverage"} <= set(found)
    assert "kendall_tau" not in found
    assert found["quick"] is True
    assert found["repeat_n_pairs"] == 1
    shares = [value for name, value in found.items() if "within" in name or "flagged" in name]
    assert all(0 <= share <= 1 for share in shares)
    assert not any(isinstance(value, (dict, list)) for value in found.values())


def test_100_mib_more_of_weights_are_100_mib_more(figures):
    found = figures("memory")
    assert found["memory_ratio"] == pytest.approx(1.0, abs=0.05)
    assert found["memory_to_kernel_peak_ratio_min"] >= 0.95
    assert found["memory_to_kernel_peak_ratio_max"] <= 1.05


def test_every_figure_with_a_target_is_explained_in_the_readme():
    section = README.read_text().partition("## Benchmarks")[2].partition("\n## ")[0]
    assert [name for name in fidelity.TARGETS if f"`{name}`" not in section] == []


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        fidelity.main(["--only", "speed"])
    assert "choose from" in capsys.readouterr().err
