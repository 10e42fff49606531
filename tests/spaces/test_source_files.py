from __future__ import annotations

import pytest

from spaces.source_files import source_digest, source_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "main.py").write_text("import numpy\nimport near\nfrom pack import part\n")
    (tmp_path / "near.py").write_text("def load():\n    import deep\n")
    (tmp_path / "deep.py").write_text("")
    (tmp_path / "stranger.py").write_text("")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "part.py").write_text("from . import other\nfrom .. import stranger2\n")
    (tmp_path / "pack" / "other.py").write_text("")
    return tmp_path


def test_imports_are_followed_inside_the_folder_only(folder):
    found = [file.relative_to(folder).as_posix() for file in source_files(folder / "main.py")]
    assert found == [
        "deep.py",
        "main.py",
        "near.py",
        "pack/__init__.py",
        "pack/other.py",
        "pack/part.py",
    ]


def test_absolute_imports_of_the_own_package_are_found(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    (folder / "pack" / "part.py").write_text("from pack.other import x\nimport near\n")
    found = [file.name for file in source_files(folder / "pack" / "part.py")]
    assert found == ["__init__.py", "other.py", "part.py"]


def test_imports_that_form_a_ring_end(tmp_path):
    (tmp_path / "a.py").write_text("import b")
    (tmp_path / "b.py").write_text("import a")
    assert len(source_files(tmp_path / "a.py")) == 2


@pytest.mark.parametrize(("changed", "matters"), [("deep.py", True), ("stranger.py", False)])
def test_the_digest_changes_with_what_is_imported(folder, changed, matters):
    before = source_digest(folder / "main.py")
    (folder / changed).write_text("x = 1\n")
    assert (source_digest(folder / "main.py") != before) == matters
