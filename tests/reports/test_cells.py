from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.measurement import Quantity
from reports import cells
from spaces.objectives import ACCURACY, OBJECTIVES, Objective, figure_objective

LATENCY = OBJECTIVES["latency_p90_ms"]


def test_a_cost_is_shown_in_its_unit_beside_its_ratio_to_the_baseline(small_run):
    found = cells.cell(small_run, small_run.trials[1].record, LATENCY)
    assert found == cells.Cell("0.250", "", "0.25x", "0.237 to 0.275", "measured")


def test_the_metric_is_shown_beside_its_difference_from_the_model_on_the_host(small_run):
    found = cells.cell(small_run, small_run.trials[1].record, ACCURACY)
    assert (found.value, found.comparison) == ("0.930", "-0.030")


def test_a_number_that_is_unavailable_is_no_number(small_run):
    found = cells.cell(small_run, small_run.trials[0].record, OBJECTIVES["power_w"])
    assert (found.marked, found.provenance) == ("-", "unavailable: no meter here")


def test_a_number_that_a_failed_trial_lacks_is_no_number(small_run):
    found = cells.cell(small_run, small_run.trials[4].record, LATENCY)
    assert (found.marked, found.comparison) == ("-", "")


def test_without_a_baseline_there_is_no_ratio(build):
    run = build.run(build.record(0.5))
    assert cells.cell(run, run.trials[0].record, LATENCY).comparison == ""


def test_without_a_reference_there_is_no_difference(build):
    run = build.run(build.record(0.5), baseline=build.record(1.0), reference_metric=None)
    assert cells.cell(run, run.trials[0].record, ACCURACY).comparison == ""


@pytest.mark.parametrize(
    ("provenance", "mark"),
    [
        ("measured", ""),
        ("measured: on X instead of Y", "*"),
        ("estimated: by Z", "~"),
        ("unavailable: no meter", "-"),
    ],
)
def test_a_mark_says_where_a_number_comes_from(provenance, mark):
    assert cells.mark_of(provenance) == mark


def test_the_legend_explains_only_marks_that_occur(stand_in_run):
    record = stand_in_run.trials[0].record
    found = cells.legend(cells.cell(stand_in_run, record, o) for o in stand_in_run.facts.objectives)
    assert found == {
        "*": "stand-in: on this machine's CPU (Xeon) instead of coral-usb",
        "~": "estimated: share of CPU time x rated power of 2 W",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.000"),
        (0.98765, "0.988"),
        (0.0123456, "0.0123"),
        (1.31, "1.31"),
        (48.96, "49.0"),
        (1234.5, "1234"),
        (-2.5, "-2.50"),
        (0.0000123, "1.23e-05"),
        (float("inf"), "inf"),
    ],
)
def test_three_digits_are_shown(value, text):
    assert cells.number_text(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.0421, "0.042x"), (0.361, "0.36x"), (1.0, "1.00x"), (2.345, "2.35x"), (41.2, "41x")],
)
def test_ratios_are_short(ratio, text):
    assert cells.ratio_text(ratio) == text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("latency_p90_ms", "latency p90"),
        ("peak_memory_mib", "peak memory"),
        ("throughput_per_s", "throughput"),
        ("energy_mj", "energy"),
        ("accuracy", "accuracy"),
    ],
)
def test_a_title_leaves_the_unit_to_whoever_shows_it(name, words):
    assert cells.title(OBJECTIVES[name]) == words


def test_sparsity_by_groups_is_a_range(build):
    record = build.record()
    record.params.pop("sparsity")
    record.params.update({"sparsity.stem": 0.1, "sparsity.stage2": 0.65})
    assert cells.sparsity_text(record) == "0.10 to 0.65"
    assert "sparsity.stem" not in cells.other_params(record)


def test_other_params_are_those_without_a_column(build):
    record = build.record(params={"distillation.alpha": 0.123456, "openvino.spin": True})
    assert cells.other_params(record) == {
        "openvino.threads": "1",
        "distillation.alpha": "0.123",
        "openvino.spin": "True",
    }


def test_what_an_engine_tells_is_shown_as_the_run_knows_it(small_run):
    offchip = figure_objective("edgetpu_offchip_bytes", "minimize")
    run = replace(small_run, facts=replace(small_run.facts, figures=(offchip,)))
    told = {"edgetpu_offchip_bytes": Quantity(12.0, "B", "log", "measured")}
    assert cells.shown_objectives(run, told) == {"edgetpu_offchip_bytes": offchip}


def test_what_nobody_knows_keeps_its_own_name_and_unit(small_run):
    added = {"edgetpu_offchip_bytes": Quantity(12.0, "B", "log", "measured")}
    assert cells.shown_objectives(small_run, added) == {
        "edgetpu_offchip_bytes": Objective(
            "edgetpu_offchip_bytes", "minimize", "B", "edgetpu_offchip_bytes"
        )
    }


def test_text_for_people_has_no_controls():
    assert cells.printable("a\nb\x1b[31m\udc80c") == "a b [31m c"
