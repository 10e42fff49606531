from __future__ import annotations

from pathlib import Path

import pytest

from spaces.persons_code import persons_code
from spaces.workload import WorkloadError

HERE = Path(__file__).parent


def test_the_deepest_line_inside_the_folder_is_blamed(tmp_path):
    theirs = tmp_path / "theirs.py"
    theirs.write_text("import json\n\n\ndef read():\n    return json.loads('{')\n")
    names = {}
    exec(compile(theirs.read_text(), str(theirs), "exec"), names)
    with (
        pytest.raises(
            WorkloadError, match=r"theirs\.py:5: read\(\) must not raise.*JSONDecodeError"
        ),
        persons_code("read()", tmp_path),
    ):
        names["read"]()


def test_a_message_of_many_lines_becomes_one():
    with (
        pytest.raises(WorkloadError, match=r"ValueError: a b c\. Fix it there"),
        persons_code("x()", HERE),
    ):
        raise ValueError("a\n  b\nc")


def test_an_error_without_a_message_shows_its_type():
    with (
        pytest.raises(WorkloadError, match=r"raised KeyError\. Fix it there"),
        persons_code("x()", HERE),
    ):
        raise KeyError


def test_a_workload_error_passes_as_it_is():
    error = WorkloadError("said already")
    with pytest.raises(WorkloadError, match=r"^said already$") as caught, persons_code("x()", HERE):
        raise error
    assert caught.value is error


def test_the_keyboard_still_interrupts():
    with pytest.raises(KeyboardInterrupt, match="stop"), persons_code("x()", HERE):
        raise KeyboardInterrupt("stop")
