"""The smallest run that shows that the benchmark still works; its numbers mean nothing."""

from __future__ import annotations

import json

import pytest

from benchmarks import overhead
from benchmarks.overhead import Scale

pytestmark = pytest.mark.measures


@pytest.mark.long
def test_a_run_grows_and_every_part_of_its_trials_is_timed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(overhead, "QUICK", Scale((25,), 2, everything=True))
    overhead.main(["--quick", "--out", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["quick"] is True
    times = {"overhead", "overhead_cpu", "overhead_plain", "tell", "progress"}
    times |= {"overhead_with_choice", "choice", "choice_cpu", "ask", "ask_cpu"}
    assert all(figures[f"{name}_ms_at_25"] > 0 for name in times)
    assert all(figures[f"{name}_s_at_25"] > 0 for name in ("resume", "load", "front", "report"))
    assert figures["overhead_ms_at_25"] > figures["tell_ms_at_25"]
    assert figures["parent_uss_mib_at_25"] > 10
    assert "overhead_plain_ms" in capsys.readouterr().out


def test_figures_with_a_target_are_those_of_a_size_that_is_measured():
    sizes = {name.rpartition("_at_")[2] for name in overhead.TARGETS}
    for scale in (overhead.QUICK, overhead.FULL):
        assert sizes <= {str(size) for size in scale.sizes}
        assert 10_000 in scale.sizes
