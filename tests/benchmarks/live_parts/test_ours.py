import pytest

from benchmarks.live_parts.ours import spent_s
from search.records import NumberedRecord, Run, TrialRecord

PARAMS = {"engine": "openvino"}


def test_time_is_told_by_stage_and_what_is_left_is_the_rest():
    trial = TrialRecord(PARAMS, stage_seconds={"compress": 5.0, "benchmark": 2.0}, ask_seconds=0.5)
    baseline = TrialRecord(PARAMS, stage_seconds={"benchmark": 3.0})
    run = Run(None, baseline, [NumberedRecord(0, "complete", trial)])
    assert spent_s(run, 12.0) == pytest.approx(
        {"compress": 5.0, "benchmark": 5.0, "search": 0.5, "rest": 1.5}
    )
