from __future__ import annotations

import pytest

from search.errors import UsageError
from search.events import BaselineMeasured, TrialFinished, Waiting
from search.outputs import OutputsOfARunningSearch, write_outputs
from search.run_directory import RunDirectory


def test_outputs_that_cannot_be_written_leave_the_old_ones(build, small_disk, fill_disk):
    directory = RunDirectory(small_disk)
    write_outputs(build.run(build.record(1.0)), directory)
    before = {path.name: path.read_bytes() for path in small_disk.iterdir()}
    assert set(before) == {"front.csv", "trials.csv", "report.html"}
    ballast = fill_disk(small_disk)
    with pytest.raises(UsageError) as caught:
        write_outputs(build.run(build.record(2.0)), directory)
    assert str(caught.value) == (
        f"{small_disk} can't be written: No space left on device. Choose another folder with "
        "--run, or free space; every finished trial is kept, and the same command goes on."
    )
    ballast.unlink()
    assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == before


@pytest.fixture
def outputs_at(tmp_path):
    """Return outputs whose clock shows the times given, one at a look."""

    def make(*times_s):
        return OutputsOfARunningSearch(RunDirectory(tmp_path), iter(times_s).__next__)

    return make


def finished(run):
    return TrialFinished(run.trials[-1], run, len(run.trials), 9, None)


def test_a_run_that_is_killed_leaves_the_outputs_of_its_trials(build, tmp_path, outputs_at):
    baseline = build.record(1.0)
    outputs_at(0, 0)(BaselineMeasured(baseline, build.run(baseline=baseline)))
    assert "No trial has finished yet." in (tmp_path / "report.html").read_text()
    outputs_at(0, 0)(finished(build.run(build.record(0.5), baseline=baseline)))
    assert "Take trial 0" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "trials.csv").read_text().count("\n") == 2


def test_writing_takes_at_most_a_fiftieth_of_the_time(build, tmp_path, outputs_at):
    # the first write takes 1 s, so the next is due 50 s after its end
    outputs = outputs_at(100, 101, 150.9, 151.1, 152)
    written = []
    for count in (1, 2, 3):
        outputs(finished(build.run(*[build.record(0.5)] * count)))
        written.append((tmp_path / "trials.csv").read_text().count("\n") - 1)
    assert written == [1, 1, 3]


def test_a_full_disk_does_not_end_the_run(build, small_disk, fill_disk):
    fill_disk(small_disk)
    outputs = OutputsOfARunningSearch(RunDirectory(small_disk))
    outputs(finished(build.run(build.record(0.5))))
    assert not (small_disk / "report.html").exists()


def test_other_events_write_nothing(tmp_path, outputs_at):
    outputs_at(0)(Waiting())
    assert list(tmp_path.iterdir()) == []
