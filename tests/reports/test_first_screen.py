from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evaluators.measurement import Quantity
from reports import first_screen
from spaces.objectives import OBJECTIVES
from tests.reports.page_words import words

FOLDER = Path("/runs/nuc")


def recommended(run):
    return words(first_screen.recommendation(run, FOLDER))


def test_the_heading_names_run_device_and_machine(stand_in_run):
    assert words(first_screen.heading(stand_in_run)) == "nuc Device coral-usb Measured on Xeon"


def test_notices_stand_in_a_box_of_their_own(stand_in_run, small_run):
    text = words(first_screen.notices(stand_in_run))
    assert text == "coral-usb isn't here: measured on a stand-in, marked *."
    assert first_screen.notices(small_run) == ""


def test_the_fastest_feasible_model_is_recommended_with_ratios_and_intervals(small_run):
    text = recommended(small_run)
    assert text.startswith(
        "Take trial 1: openvino int8, sparsity 0.75, 0 epochs of fine-tuning Of the models that "
        "keep every constraint it has the best latency p90. 3 of 5 trials keep latency_p90_ms <= "
        "5; accuracy >= 0.91. Its numbers are not confirmed yet. 0.25x latency p90 95 % interval "
        "0.22x to 0.28x 0.250 ms; baseline 1.00 ms measured 0.25x peak memory 1.00 MiB; baseline "
        "4.00 MiB measured 0.930 accuracy -0.030 from fp32 on the host measured "
        "python -m search export --run /runs/nuc --trial 1 --out nuc-trial-1 Copy"
    )
    assert "No trial beats" not in text


@pytest.mark.parametrize(("pattern", "words"), [("2:4", ", pattern 2:4,"), ("dense", ",")])
def test_a_pattern_of_zeros_is_part_of_what_a_model_is(build, pattern, words):
    params = {"engine": "tensorrt", "precision": "int8", "sparsity": 0.5, "distillation.epochs": 1}
    record = build.record(params={**params, "sparsity_pattern": pattern})
    expected = f"tensorrt int8, sparsity 0.50{words} 1 epoch of fine-tuning"
    assert first_screen.candidate_words(record) == expected


def test_the_drop_has_the_interval_of_the_paired_samples(build):
    record = build.record(0.5, 2.0, 0.94)
    drop = Quantity(0.02, "1", "paired", "measured", 0.011, 0.029)
    run = build.run(replace(record, quantities={**record.quantities, "accuracy_drop": drop}))
    assert "-0.020 (-0.029 to -0.011) from fp32 on the host" in recommended(run)


def test_members_that_are_best_in_something_else_are_offered(small_run):
    text = recommended(small_run)
    assert "If something else matters more Best accuracy: trial 0 , openvino int8" in text
    assert "latency p90 0.50x, peak memory 0.50x, accuracy -0.020" in text
    assert "--trial 0 --out nuc-trial-0" in text


def test_a_recommendation_on_a_stand_in_or_an_estimate_says_so(stand_in_run):
    text = recommended(stand_in_run)
    assert "0.500* ms; baseline 1.00* ms stand-in" in text
    assert "0.50x power 1.00~ W; baseline 2.00~ W estimated" in text


@pytest.mark.parametrize("latency_ms", [1.0, 2.0])
def test_a_run_that_gained_nothing_says_so(build, latency_ms):
    run = build.run(build.record(latency_ms), baseline=build.record(1.0))
    assert "No trial beats the baseline's latency p90." in recommended(run)


def test_more_throughput_is_a_gain(build):
    throughput = OBJECTIVES["throughput_per_s"]
    faster, base = build.record(), build.record()
    for record, per_s in ((faster, 300.0), (base, 100.0)):
        quantity = record.quantities["latency_p90_s"]
        record.quantities["throughput_per_s"] = type(quantity)(per_s, "1/s", "offline", "measured")
    run = build.run(faster, baseline=base, objectives=(throughput,))
    text = recommended(run)
    assert "3.00x throughput 300 /s; baseline 100 /s" in text
    assert "No trial beats" not in text


def test_without_a_baseline_a_recommendation_has_values_and_says_why(build):
    text = recommended(build.run(build.record(0.5)))
    assert "0.500 ms latency p90" in text
    assert "There is no baseline yet" in text


def test_nothing_feasible_means_nothing_recommended(build):
    text = recommended(build.run(build.failed()))
    assert text == "No model to take No trial is feasible yet. There is nothing to recommend."
