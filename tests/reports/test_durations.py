from __future__ import annotations

import pytest

from reports.durations import StageTime, duration_text, stage_times


def test_seconds_add_up_by_stage_with_the_baseline_and_failed_trials(build):
    stages = {"compress": 3.0, "benchmark": 1.5}
    run = build.run(
        build.record(stage_seconds=stages, found_stages=["compress"], ask_seconds=0.5),
        build.failed(),
        baseline=build.record(stage_seconds={"benchmark": 1.0}, overhead_seconds=0.25),
    )
    assert {stage.name: stage for stage in stage_times(run)} == {
        "compress": StageTime("compress", 5.0, 2, 1),
        "compile": StageTime("compile", 1.0, 1, 0),
        "benchmark": StageTime("benchmark", 2.5, 2, 0),
        "choosing trials": StageTime("choosing trials", 0.5, 2, 0),
        "everything else": StageTime("everything else", 0.25, 2, 0),
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.423, "0.42 s"),
        (12.3, "12 s"),
        (200, "3 min 20 s"),
        (59.7, "1 min 00 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_said_as_people_do(seconds, text):
    assert duration_text(seconds) == text
