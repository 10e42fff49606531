"""The arithmetic of the figures, and the smallest run that shows that the benchmark still works."""

from __future__ import annotations

import json

import pytest

from benchmarks import reconstruction
from benchmarks.reconstruction import METHODS, PATTERN_METHODS, PLAIN, WARM, figures_of
from benchmarks.reconstruction_parts.methods import Outcome


def results(**changes):
    """One level and two seeds at 90 % and 1 s, but for the methods named."""
    outcomes = {name: [(0.9, 1.0), (0.9, 1.0)] for name in METHODS} | changes
    return {
        name: [{0.5: Outcome(*outcome)} for outcome in pairs] for name, pairs in outcomes.items()
    }


def test_the_ratio_is_to_the_cheapest_rung_within_one_point():
    found = figures_of(
        "net",
        results(
            **{
                PLAIN: [(0.90, 20.0), (0.92, 22.0)],
                "reconstruction": [(0.88, 1.0), (0.90, 1.0)],
                "reconstruction, 1 epoch": [(0.90, 3.0), (0.901, 4.0)],
                "reconstruction, 2 epochs": [(0.91, 5.0), (0.91, 5.0)],
                "reconstruction, 4 epochs": [(0.92, 9.0), (0.92, 9.0)],
            }
        ),
    )
    assert found["net_cpu_ratio_at_0.5"] == pytest.approx(21 / 3.5)
    assert found["net_reconstruction_1_epoch_accuracy_at_0.5"] == pytest.approx(0.9005)


def test_no_rung_within_one_point_gives_no_ratio():
    found = figures_of("net", results(**{PLAIN: [(0.95, 20.0), (0.95, 20.0)]}))
    assert found["net_cpu_ratio_at_0.5"] is None


def test_a_warm_start_is_compared_seed_by_seed():
    found = figures_of("net", results(**{WARM: [(0.91, 1.0), (0.93, 1.0)]}))
    assert found["net_warm_start_gain_over_1_epochs"] == pytest.approx(0.02)
    assert found["net_warm_start_gain_over_1_epochs_standard_error"] == pytest.approx(0.01)


@pytest.mark.long
def test_a_whole_run_writes_flat_figures(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_INFERENCE_SEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr(reconstruction.Digits, "epochs", 1)
    for name in METHODS:
        if name not in {PLAIN, "reconstruction", WARM}:
            kept = METHODS["reconstruction"]
            monkeypatch.setitem(METHODS, name, kept)
    monkeypatch.setitem(METHODS, PLAIN, METHODS["reconstruction"])
    for name in PATTERN_METHODS:
        if "epoch" in name:
            monkeypatch.setitem(PATTERN_METHODS, name, PATTERN_METHODS["2:4, reconstruction"])
    reconstruction.main(["--quick", "--out", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["resnet8_cpu_ratio_at_0.5"] > 0
    assert 0 <= figures["resnet8_from_the_next_lower_level_1_epoch_accuracy_at_0.7"] <= 1
    assert 0 <= figures["resnet8_2_4_reconstruction_1_epoch_accuracy_at_0"] <= 1
    assert figures["quick"] is True
