import pytest

from reports.comparison_frames import baselines_frame, shared_frame, to_ship_frame


def test_baselines_have_their_ratio_to_the_first_with_its_interval(two_runs):
    frame = baselines_frame(two_runs)
    assert frame["run"].tolist() == ["runs/slow", "runs/fast"]
    assert frame["latency_p90_ms"].tolist() == pytest.approx([2.0, 1.0])
    assert frame["latency_p90_ms_provenance"].tolist() == ["measured", "measured"]
    assert frame["latency_p90_ms_ratio"].tolist() == pytest.approx([1.0, 0.5])
    assert frame["latency_p90_ms_ratio_low"].isna().tolist() == [True, False]
    ends = frame.loc[1, ["latency_p90_ms_ratio_low", "latency_p90_ms_ratio_high"]]
    assert ends.tolist() == pytest.approx([0.449, 0.557], abs=1e-3)
    assert frame["accuracy_difference"].tolist() == [0.0, 0.0]
    assert "accuracy_ratio" not in frame.columns


def test_what_to_ship_is_what_each_report_recommends(two_runs):
    frame = to_ship_frame(two_runs)
    assert frame["trial"].tolist() == [1, 0]
    assert frame["sparsity"].tolist() == [0.75, 0.75]
    assert frame["latency_p90_ms_ratio"].tolist() == pytest.approx([1.0, 0.5])


def test_the_same_candidate_has_a_row_a_run(two_runs):
    frame = shared_frame(two_runs)
    assert frame["candidate"].tolist() == [0, 0]
    assert frame["run"].tolist() == ["runs/slow", "runs/fast"]
    assert frame["trial"].tolist() == [1, 0]
    assert frame["latency_p90_ms_ratio"].tolist() == pytest.approx([1.0, 0.5])
    assert frame["accuracy_difference"].tolist() == pytest.approx([0.0, -0.01])


def test_a_run_that_lacks_something_has_no_row_and_another_no_ratio(build, two_runs):
    runs = [("nothing", build.run()), two_runs[0]]
    frame = baselines_frame(runs)
    assert frame["run"].tolist() == ["runs/slow"]
    assert "latency_p90_ms_ratio" not in frame.columns
    assert to_ship_frame(runs)["run"].tolist() == ["runs/slow"]
    assert list(shared_frame(runs).columns) == ["candidate", "run", "trial"]
