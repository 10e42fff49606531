from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from reports import frames, tables


def header(text):
    return next(csv.reader(io.StringIO(text)))


def test_the_front_has_a_row_a_member_and_the_columns_of_the_csv(small_run):
    frame = frames.front_frame(small_run)
    assert list(frame.columns) == header(tables.front_csv(small_run))
    assert frame["trial"].tolist() == [1, 0]
    assert set(frame["outcome"]) == {"front"}


def test_every_trial_has_a_row_and_the_columns_of_the_csv(small_run):
    frame = frames.trials_frame(small_run)
    assert list(frame.columns) == header(tables.trials_csv(small_run))
    assert frame["latency_p90_ms"].tolist()[:2] == pytest.approx([0.5, 0.25])
    assert frame["latency_p90_ms"].isna().tolist() == [False, False, False, False, True]
    assert frame["outcome"].tolist() == ["front", "front", "dominated", "infeasible", "rejected"]


def test_a_failed_trial_says_why(small_run):
    row = frames.trials_frame(small_run).iloc[4]
    assert row["failure_kind"] == "rejected"
    assert row["failure_stage"] == "compile"
    assert row["failure_reason"] == "op GELU isn't an Edge TPU op"


@pytest.mark.parametrize("frame_of", [frames.front_frame, frames.trials_frame])
def test_an_estimate_and_a_stand_in_say_so_beside_every_number(build, stand_in_run, frame_of):
    row = frame_of(stand_in_run).iloc[0]
    assert (row["power_w"], row["power_w_provenance"]) == (1.0, build.ESTIMATED)
    assert (row["latency_p90_ms"], row["latency_p90_ms_provenance"]) == (0.5, build.STAND_IN)
    numbers = [name for name in row.index if f"{name}_low" in row.index]
    assert len(numbers) >= 3
    assert all(f"{name}_provenance" in row.index for name in numbers)


def test_what_is_unavailable_is_no_number_and_says_why(small_run):
    row = frames.trials_frame(small_run).iloc[0]
    assert pd.isna(row["power_w"])
    assert row["power_w_provenance"] == "unavailable: no meter here"


def test_an_empty_front_has_its_objectives_as_columns(build):
    frame = frames.front_frame(build.run(build.failed()))
    assert len(frame) == 0
    assert {"trial", "latency_p90_ms", "accuracy"} <= set(frame.columns)


def test_a_run_without_a_trial_has_an_empty_frame(build):
    frame = frames.trials_frame(build.run())
    assert len(frame) == 0
    assert "trial" in frame.columns


def test_one_trial_is_a_series_that_keeps_whole_numbers_whole(build):
    run = build.run(build.failed(), build.record(0.5, power_w=1.5))
    found = frames.candidate_series(run, run.trials[1], ["power_w"])
    assert found.name == "trial 1"
    assert (found["trial"], type(found["trial"])) == (1, int)
    assert (found["power_w"], found["power_w_provenance"]) == (1.5, build.ESTIMATED)


def test_the_baseline_has_the_columns_of_the_trials(small_run):
    found = frames.baseline_series(small_run, small_run.baseline)
    assert found.name == "baseline"
    assert (found["precision"], found["latency_p90_ms"]) == ("bf16", 1.0)
    beside = {"trial", "state", "outcome", "arm", "parent"}
    assert set(frames.trials_frame(small_run).columns) - set(found.index) >= beside


def test_what_parameters_explain_is_a_share_of_each_objective(build):
    run = build.run(*(build.record(1.0 + (n >= 5), sparsity=0.5 * (n >= 5)) for n in range(10)))
    frame = frames.knobs_frame(run)
    assert frame["parameter"].tolist() == ["sparsity"]
    assert frame["trials"].tolist() == [10]
    assert frame["latency_p90_ms"].tolist() == pytest.approx([1.0])
    assert frame["accuracy"].tolist() == [0.0]


def test_of_too_few_trials_nothing_is_known_of_a_parameter(build):
    run = build.run(build.record(1.0), build.record(2.0, sparsity=0.5))
    frame = frames.knobs_frame(run)
    assert frame["parameter"].tolist() == ["sparsity"]
    assert frame["latency_p90_ms"].isna().all()
    assert len(frames.knobs_frame(build.run())) == 0


def test_failures_are_counted_by_reason_with_the_trials(small_run):
    frame = frames.failures_frame(small_run)
    assert frame.to_dict("records") == [
        {
            "count": 1,
            "outcome": "infeasible",
            "stage": "benchmark",
            "reason": "breaks accuracy >= 0.91",
            "trials": (3,),
        },
        {
            "count": 1,
            "outcome": "rejected",
            "stage": "compile",
            "reason": "op GELU isn't an Edge TPU op",
            "trials": (4,),
        },
    ]
