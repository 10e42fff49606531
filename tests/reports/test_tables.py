from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from reports import tables
from search.front import pareto_front


def printed(renderable, width=120):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(renderable)
    return console.file.getvalue()


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def line_of(text, start):
    return next(line for line in text.splitlines() if line.split()[:1] == [start]).split()


def test_the_front_stands_below_the_baseline_with_ratios_and_drops(small_run):
    text = printed(tables.front_table(small_run, show_all=False))
    expected = "baseline openvino bf16 0.00 0 1.00 1.00x 4.00 1.00x 0.950 -0.010"
    assert line_of(text, "baseline") == expected.split()
    expected = "1 openvino int8 0.75 0 0.250 0.25x 1.00 0.25x 0.930 -0.030"
    assert line_of(text, "1") == expected.split()
    assert "2 on the front of 5 finished trials" in text


def test_the_front_shows_its_members_only(small_run):
    text = printed(tables.front_table(small_run, show_all=False))
    assert [line.split()[0] for line in text.splitlines() if line[:9].strip().isdigit()] == [
        "1",
        "0",
    ]


def test_a_long_front_is_cut_and_says_how_much_of_it_is_left_out(small_run):
    text = printed(tables.front_table(small_run, show_all=False, most=1))
    assert [line.split()[0] for line in text.splitlines() if line[:9].strip().isdigit()] == ["1"]
    assert "2 on the front of 5 finished trials" in text
    assert "and 1 more on the front" in text
    assert "more on the front" not in printed(tables.front_table(small_run, show_all=False, most=2))


def test_all_shows_why_the_others_are_not_on_the_front(small_run):
    text = printed(tables.front_table(small_run, show_all=True), width=200)
    assert "infeasible: accuracy >= 0.91 is broken by 1.10 % with 0.900" in text
    assert "rejected at compile: op GELU isn't an Edge TPU op" in text
    assert "dominated or tied: 0.750 ms, 3.00 MiB, 0.920" in text


def test_notices_come_first_and_marks_are_explained(stand_in_run):
    text = printed(tables.front_table(stand_in_run, show_all=False))
    assert text.startswith("Note: coral-usb isn't here: measured on a stand-in, marked *.")
    expected = "0 openvino int8 0.00 0 0.500* 0.50x 1.00~ 0.50x 0.940* -0.020"
    assert line_of(text, "0") == expected.split()
    assert "*  stand-in: on this machine's CPU (Xeon) instead of coral-usb" in text
    assert "~  estimated: share of CPU time x rated power of 2 W" in text


def test_marks_that_do_not_occur_are_not_explained(small_run):
    text = printed(tables.front_table(small_run, show_all=False))
    assert "stand-in" not in text
    assert "estimated" not in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_nothing_is_cut_off_at_the_widths_of_terminals(stand_in_run, width):
    text = printed(tables.front_table(stand_in_run, show_all=True), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for number in ("0.500*", "0.50x", "1.00~", "0.940*", "-0.020"):
        assert number in text.split()


def test_an_empty_run_says_so(build):
    text = printed(tables.front_table(build.run(), show_all=True))
    assert "There is no baseline yet" in text
    assert "No trial has finished yet." in text


def test_text_from_outside_is_shown_as_it_is_and_steers_no_terminal(evil_run):
    text = printed(tables.front_table(evil_run, show_all=True), width=300)
    assert "\x1b" not in text
    assert text.count("[bold red]</script>") >= 4


def test_json_of_the_front_has_the_documented_form(small_run):
    data = json.loads(json.dumps(tables.front_json(small_run), allow_nan=False))
    assert list(data) == [
        "schema_version", "run", "device", "machine", "notices", "objectives", "directions",
        "baseline", "points", "ceiling",
    ]  # fmt: skip
    assert data["objectives"] == ["latency_p90_ms", "peak_memory_mib", "accuracy"]
    assert data["baseline"]["values"]["latency_p90_ms"] == pytest.approx(1.0)
    point = data["points"][0]
    assert point["values"] == pytest.approx(
        {"latency_p90_ms": 0.25, "peak_memory_mib": 1.0, "accuracy": 0.93}
    )
    assert point["intervals"]["latency_p90_ms"] == pytest.approx([0.2375, 0.275])
    assert point["intervals"]["peak_memory_mib"] is None
    assert point["provenance"]["accuracy"] == "measured"
    assert (point["trial"], point["engine"], point["confirmed"]) == (1, "openvino", False)
    assert point["artifact_sha256"] == "9f2b" * 16


def test_json_of_all_has_the_others_with_what_is_known_of_them(small_run):
    others = {
        other["trial"]: other for other in tables.front_json(small_run, show_all=True)["others"]
    }
    assert sorted(others) == [2, 3, 4]
    assert others[3]["violations"] == {"latency_p90_ms": -0.98, "accuracy": 0.011}
    assert (others[3]["state"], others[3]["outcome"]) == ("complete", "infeasible")
    assert others[4]["values"] == {}
    assert others[4]["failure"] == {
        "kind": "rejected", "stage": "compile", "reason": "op GELU isn't an Edge TPU op",
    }  # fmt: skip


def test_json_has_no_baseline_where_it_has_no_numbers(build):
    assert tables.front_json(build.run(baseline=build.failed()))["baseline"] is None


def test_csv_of_the_front_agrees_with_its_json(small_run):
    points = tables.front_json(small_run)["points"]
    rows = read(tables.front_csv(small_run))
    assert [int(row["trial"]) for row in rows] == [point["trial"] for point in points]
    for row, point in zip(rows, points, strict=True):
        assert {name: float(row[name]) for name in point["values"]} == point["values"]


def test_csv_of_all_has_every_trial_with_its_outcome(small_run):
    rows = read(tables.front_csv(small_run, show_all=True))
    expected = ["front", "front", "dominated", "infeasible", "rejected"]
    assert [row["outcome"] for row in rows] == expected
    assert rows[4]["latency_p90_ms"] == ""


def test_csv_of_no_trials_is_a_header(build):
    assert tables.trials_csv(build.run()) == "trial\n"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_becomes_a_formula_and_numbers_stay_numbers(build, start):
    text = f"{start}HYPERLINK()"
    record = build.record(0.5, params={text: text, "openvino.priority": -1})
    rows = read(tables.trials_csv(build.run(record, build.failed(reason=text))))
    shown = f"'{text}" if start.isprintable() else "' HYPERLINK()"
    assert rows[0][shown] == shown
    assert rows[1]["failure_reason"] == shown
    assert rows[0]["openvino.priority"] == "-1"


def test_the_first_row_of_the_front_is_best_in_the_first_objective(small_run):
    assert [trial.number for trial in pareto_front(small_run)] == [1, 0]
    assert read(tables.front_csv(small_run))[0]["trial"] == "1"


def test_showing_a_front_needs_neither_plotly_nor_pandas():
    code = (
        "import sys, reports.tables; sys.exit('plotly' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_test_split_stands_beside_and_goes_first_where_there_is_no_room(build):
    record = build.record(0.5)
    quantities = {**record.quantities, "test_accuracy": record.quantities["accuracy"]}
    run = build.run(replace(record, quantities=quantities), baseline=build.record(1.0))
    wide, narrow = (printed(tables.front_table(run, show_all=False), w) for w in (120, 66))
    assert line_of(wide, "trial")[-2:] == ["accuracy", "test"]
    assert line_of(wide, "0")[-1] == "0.950"
    assert line_of(narrow, "trial")[-1] == "accuracy"
    assert "accuracy" in narrow.split()
