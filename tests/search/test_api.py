from __future__ import annotations

import pytest

from search.api import write_outputs
from search.errors import UsageError
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
