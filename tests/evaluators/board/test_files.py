import hashlib
import os
from pathlib import Path

import pytest

from evaluators.board.files import BoardFiles
from evaluators.failures import EvaluationFailure


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def files(tmp_path):
    made = BoardFiles(str(tmp_path))
    yield made
    made.close()


def test_a_file_that_came_in_parts_is_here(files):
    name = sha256(b"weights")
    assert files.lacking([name, name]) == [name]
    files.add(name, b"wei", is_last=False)
    assert files.lacking([name]) == [name]
    files.add(name, b"ghts", is_last=True)
    assert files.lacking([name]) == []


def test_a_damaged_file_is_refused_and_can_be_sent_again(files):
    name = sha256(b"weights")
    with pytest.raises(EvaluationFailure, match="a file arrived damaged"):
        files.add(name, b"wei", is_last=True)
    files.add(name, b"weights", is_last=True)
    assert files.lacking([name]) == []


def test_a_file_that_was_damaged_since_is_sent_again(tmp_path):
    name, earlier = sha256(b"weights"), BoardFiles(str(tmp_path))
    earlier.add(name, b"weights", is_last=True)
    earlier.close()
    Path(earlier.path(name)).write_bytes(b"we\0ghts")
    files = BoardFiles(str(tmp_path))
    assert files.lacking([name]) == [name]
    files.add(name, b"weights", is_last=True)
    assert files.lacking([name]) == []
    assert Path(files.path(name)).read_bytes() == b"weights"
    files.close()


@pytest.mark.parametrize("name", ["", "..", "../x", "lock", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(files, name):
    with pytest.raises(EvaluationFailure, match="must be one word"):
        files.lay_out("compiled", {name: sha256(b"")})
    with pytest.raises(EvaluationFailure, match="must be one word"):
        files.lay_out(name, {})


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, 7])
def test_what_is_no_sha256_is_refused(files, name):
    with pytest.raises(EvaluationFailure, match="must be named by its SHA-256"):
        files.path(name)


def test_a_jobs_folders_are_gone_after_it_and_files_it_wrote_are_kept(files):
    name = sha256(b"weights")
    files.add(name, b"weights", is_last=True)
    folder = files.lay_out("compiled", {"model.bin": name})
    assert Path(folder, "model.bin").read_bytes() == b"weights"
    written = Path(files.empty_folder("out"), "blob")
    written.write_bytes(b"blob")
    assert files.keep(str(written)) == sha256(b"blob")
    files.clear()
    assert [path.name for path in Path(files.work).iterdir()] == ["lock"]
    assert files.lacking([name, sha256(b"blob")]) == []


def test_what_was_used_longest_ago_goes_first(files):
    names = []
    for age, content in enumerate((b"a" * 10, b"b" * 10, b"c" * 10)):
        names.append(sha256(content))
        files.add(names[-1], content, is_last=True)
        os.utime(files.path(names[-1]), (age, age))
    files.lacking(names[:1])  # uses it
    files.evict(limit_bytes=20)
    assert files.lacking(names) == [names[1]]


def test_the_folder_of_an_agent_that_was_killed_is_removed(tmp_path):
    def kill_one(name):
        killed = tmp_path / "work" / name
        killed.mkdir(parents=True)
        (killed / "lock").touch()
        return killed

    killed = kill_one("before")
    running = BoardFiles(str(tmp_path))
    another = BoardFiles(str(tmp_path))
    assert not killed.exists()
    assert Path(running.work).is_dir()
    another.close()
    kill_one("meanwhile")
    running.close()
    assert list((tmp_path / "work").iterdir()) == []
