from __future__ import annotations

from html.parser import HTMLParser

import pytest

from reports import sections
from spaces.objectives import OBJECTIVES


def words(html):
    """Return the text of a section, with tags gone and white space single."""
    found = []
    parser = HTMLParser()
    parser.handle_data = found.append
    parser.feed(html)
    return " ".join(" ".join(found).split())


def test_the_heading_names_run_device_and_machine(stand_in_run):
    assert words(sections.heading(stand_in_run)) == "nuc Device coral-usb Measured on Xeon"


def test_notices_stand_in_a_box_of_their_own(stand_in_run, small_run):
    text = words(sections.notices(stand_in_run))
    assert text == "coral-usb isn't here: measured on a stand-in, marked *."
    assert sections.notices(small_run) == ""


def test_the_fastest_feasible_model_is_recommended_with_ratios(small_run):
    text = words(sections.recommendation(small_run))
    assert text.startswith(
        "Take trial 1: openvino int8, sparsity 0.75, 0 epochs of fine-tuning Of the models that "
        "keep every constraint it has the best latency p90. 0.25x latency p90 0.250 ms; baseline "
        "1.00 ms 0.25x peak memory 1.00 MiB; baseline 4.00 MiB 0.930 accuracy -0.030 from fp32 on "
        "the host"
    )
    assert "No trial beats" not in text


def test_a_recommendation_on_a_stand_in_or_an_estimate_says_so(stand_in_run):
    text = words(sections.recommendation(stand_in_run))
    assert "0.50x latency p90 0.500* ms; baseline 1.00* ms stand-in" in text
    assert "0.50x power 1.00~ W; baseline 2.00~ W estimated" in text


@pytest.mark.parametrize("latency_ms", [1.0, 2.0])
def test_a_run_that_gained_nothing_says_so(build, latency_ms):
    run = build.run(build.record(latency_ms), baseline=build.record(1.0))
    assert "No trial beats the baseline's latency p90." in words(sections.recommendation(run))


def test_more_throughput_is_a_gain(build):
    throughput = OBJECTIVES["throughput_per_s"]
    faster, base = build.record(), build.record()
    for record, per_s in ((faster, 300.0), (base, 100.0)):
        quantity = record.quantities["latency_p90_s"]
        record.quantities["throughput_per_s"] = type(quantity)(per_s, "1/s", "offline", "measured")
    run = build.run(faster, baseline=base, objectives=(throughput,))
    text = words(sections.recommendation(run))
    assert "3.00x throughput 300 /s; baseline 100 /s" in text
    assert "No trial beats" not in text


def test_without_a_baseline_a_recommendation_has_values_and_says_why(build):
    text = words(sections.recommendation(build.run(build.record(0.5))))
    assert "0.500 ms latency p90" in text
    assert "There is no baseline yet" in text


def test_nothing_feasible_means_nothing_recommended(build):
    text = words(sections.recommendation(build.run(build.failed())))
    assert text == "No model to take No trial is feasible yet. There is nothing to recommend."


def test_the_search_counts_what_became_of_its_trials(small_run):
    text = words(sections.search_facts(small_run))
    assert "5 finished: 2 on the front, 1 dominated, 1 infeasible, 1 rejected" in text
    assert "latency_p90_ms <= 5; accuracy >= 0.91" in text


def test_the_front_has_intervals_and_all_parameters(small_run):
    text = words(sections.front(small_run))
    assert "1 openvino int8 0.250 0.25x 0.237 to 0.275 1.00 0.25x 0.930 -0.030" in text
    assert "0.75 0 openvino.threads 1" in text


def test_a_number_says_where_it_comes_from(stand_in_run):
    html = sections.front(stand_in_run)
    assert 'title="measured: on this machine&#x27;s CPU (Xeon) instead of coral-usb"' in html


def test_what_did_not_work_is_grouped_with_an_example(build):
    run = build.run(
        build.failed(),
        build.failed(),
        build.record(violations={"accuracy": 0.5}),
    )
    text = words(sections.without_numbers(run))
    assert "1 infeasible benchmark breaks accuracy >= 0.91" in text
    assert "2 rejected compile trial 0: op GELU isn't an Edge TPU op" in text


def test_a_run_without_failures_says_so(build):
    assert "Nothing failed." in sections.without_numbers(build.run(build.record()))


def test_time_by_stage_is_shown_with_shares(build):
    record = build.record(stage_seconds={"compress": 90.0, "benchmark": 30.0})
    html = sections.time_spent(build.run(record))
    assert words(html).startswith("Where the time went 2 min 00 s in trials")
    assert "width:75.0%" in html
    assert "width:25.0%" in html


def test_time_of_an_empty_run_is_zero(build):
    assert "0 s in trials" in words(sections.time_spent(build.run()))


def test_marks_are_explained(small_run):
    text = words(sections.marks(small_run))
    assert "0.182* measured on a stand-in" in text
    assert "0.182! measured while other work, throttling or drift disturbed" in text
