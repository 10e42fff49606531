from __future__ import annotations

from pathlib import Path

from reports import sections
from tests.reports.page_words import words

FOLDER = Path("/runs/nuc")


def test_the_search_counts_what_became_of_its_trials(small_run):
    text = words(sections.search_facts(small_run))
    assert "5 finished: 2 on the front, 1 dominated, 1 infeasible, 1 rejected" in text
    assert "latency_p90_ms <= 5; accuracy >= 0.91" in text


def test_the_front_has_intervals_and_all_parameters(small_run):
    text = words(sections.front(small_run, FOLDER))
    assert "1 openvino int8 0.250 0.25x 0.237 to 0.275 1.00 0.25x 0.930 -0.030" in text
    assert "0.75 0 openvino.threads 1" in text


def test_each_member_of_the_front_has_its_export_command_under_a_button(small_run):
    html = sections.front(small_run, FOLDER)
    command = "python -m search export --run /runs/nuc --trial 1 --out nuc-trial-1"
    assert f'data-copy="{command}"' in html
    assert html.count("<button") == 2


def test_a_number_says_where_it_comes_from(stand_in_run):
    html = sections.front(stand_in_run, FOLDER)
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
