from __future__ import annotations

import pytest

from reports.atomic_file import write_atomically


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "front.csv"
    path.write_text("old and longer")
    write_atomically(path, "new\r\n")
    assert path.read_bytes() == b"new\r\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "front.csv"]


def test_an_error_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "taken"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_atomically(path, "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_text_that_has_no_encoding_is_still_written(tmp_path):
    path = tmp_path / "report.html"
    write_atomically(path, "caf\u00e9 \udc80")
    assert path.read_text(encoding="utf-8") == "caf\u00e9 ?"
