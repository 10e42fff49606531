from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from search.errors import UsageError
from search.run_directory import RunDirectory, open_storage
from search.study_attributes import RECORD, RUN

HOLD = """
import sys, pathlib
from search.run_directory import RunDirectory
with RunDirectory(pathlib.Path(sys.argv[1])).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "runs" / "tiny")


@pytest.fixture
def holder(directory):
    """Return a real process that holds the run, and end it afterwards."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


@pytest.fixture
def begin(build):
    """Begin a run with one trial, as a study does."""

    def begin(directory, url=None, name="tiny"):
        with directory.writing():
            url = directory.storage_url(url)
            study = optuna.create_study(
                study_name=name,
                storage=open_storage(url),
                directions=["minimize", "minimize", "maximize"],
            )
            directory.remember(url, name)
            study.set_user_attr(RUN, build.facts(name=name).to_json())
            trial = study.ask()
            trial.set_user_attr(RECORD, build.record(1.5).to_json())
            study.tell(trial, [1.5, 4.0, 0.95])
        return url

    return begin


def test_a_run_is_read_back_from_its_folder(directory, begin, build):
    begin(directory)
    run = directory.load()
    assert run.facts == build.facts()
    assert [trial.record for trial in run.trials] == [build.record(1.5)]


def test_a_run_moves_along_with_its_folder_even_after_it_was_resumed(directory, begin, tmp_path):
    url = begin(directory)
    directory.remember(directory.storage_url(None), "tiny")
    moved = RunDirectory(tmp_path / "elsewhere")
    directory.path.rename(moved.path)
    assert moved.storage_url(None) != url
    assert len(moved.load().trials) == 1
    assert not directory.path.exists()


def test_another_storage_is_remembered(directory, begin, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    begin(directory, url)
    assert directory.storage_url(None) == directory.storage_url(url) == url
    assert len(directory.load().trials) == 1
    assert not (directory.path / "study.db").exists()


@pytest.mark.parametrize("begun_with", [None, "sqlite:///shared.db"])
def test_a_run_stays_in_the_storage_it_was_begun_with(
    directory, begin, begun_with, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    begin(directory, begun_with)
    with pytest.raises(UsageError) as caught:
        directory.storage_url("mysql://me:secret@host/db")
    assert str(caught.value) == (
        f"--storage must be the one that {directory.path} was begun with, but got "
        "mysql://me:***@host/db. Leave it out, or choose another folder with --run."
    )


def test_a_folder_belongs_to_one_study(directory, begin):
    directory.check_study("tiny")
    begin(directory)
    directory.check_study("tiny")
    with pytest.raises(UsageError) as caught:
        directory.check_study("other")
    assert str(caught.value) == (
        f"--run must be a folder of 'other', but {directory.path} holds a run of 'tiny'. "
        "Choose another folder with --run."
    )


def test_the_pointer_is_written_in_one_step_and_once(directory, begin):
    begin(directory)
    pointer = directory.path / "run.json"
    before = pointer.stat()
    directory.remember(directory.storage_url(None), "tiny")
    assert pointer.stat().st_mtime_ns == before.st_mtime_ns
    assert {path.name for path in directory.path.iterdir() if "run" in path.name} == {
        "run.json",
        "run.lock",
        "run.pid",
    }


def test_the_storage_writes_ahead(directory, begin):
    storage = open_storage(begin(directory))
    with storage.engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    assert mode == "wal"


def test_reading_needs_no_lock(directory, begin):
    begin(directory)
    with directory.writing():
        assert len(directory.load().trials) == 1


def test_a_run_has_one_writer(directory, holder):
    with pytest.raises(UsageError) as caught, directory.writing():
        pytest.fail("two writers")
    assert str(caught.value) == (
        f"{directory.path} is being written by another process (process {holder.pid}). Wait for "
        "it, stop it, or choose another folder with --run."
    )


def test_a_killed_writer_leaves_no_lock(directory, holder):
    holder.send_signal(signal.SIGKILL)
    assert holder.wait() == -signal.SIGKILL
    with directory.writing():
        assert (directory.path / "run.pid").read_text() == str(os.getpid())


def test_an_error_inside_leaves_no_lock(directory):
    with pytest.raises(ValueError, match="inside"), directory.writing():
        raise ValueError("inside")
    with directory.writing():
        assert directory.path.is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    blocked = RunDirectory(tmp_path / "file" / "tiny")
    with pytest.raises(UsageError) as caught, blocked.writing():
        pytest.fail("written")
    assert str(caught.value).startswith(
        f"{blocked.path} can't be written: Not a directory ({blocked.path}). Choose another folder"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(directory):
    directory.path.mkdir(parents=True)
    directory.path.chmod(0o500)
    with (
        pytest.raises(UsageError, match="can't be written: Permission denied"),
        directory.writing(),
    ):
        pytest.fail("written")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_is_no_traceback(directory):
    with (
        pytest.raises(UsageError, match=r"can't be written: No space left on device\. Choose"),
        directory.writing(),
    ):
        Path("/dev/full").write_text("x")


def test_a_storage_that_gives_out_is_no_traceback(directory, begin):
    url = begin(directory)
    storage = open_storage(url)
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE trial_user_attributes")
    with (
        pytest.raises(UsageError, match=r"can't be written: no such table: trial_user_attrib"),
        directory.writing(),
    ):
        optuna.load_study(study_name="tiny", storage=storage).ask().set_user_attr("a", 1)


def test_a_full_disk_on_which_nothing_can_be_opened_is_named(begin, small_disk, fill_disk):
    directory = RunDirectory(small_disk / "tiny")
    begin(directory)
    gc.collect()  # the last connection takes SQLite's two extra files along
    assert not (directory.path / "study.db-shm").exists()
    ballast = fill_disk(small_disk)
    with pytest.raises(UsageError) as caught:
        directory.load()
    assert str(caught.value) == (
        f"{directory.path}/study.db can't be opened: its disk is full or broken (disk I/O error). "
        "Free space there; every finished trial is kept."
    )
    ballast.unlink()
    assert len(directory.load().trials) == 1


def test_a_folder_without_a_run_is_named(directory, tmp_path):
    for folder in (directory, RunDirectory(tmp_path)):
        with pytest.raises(UsageError) as caught:
            folder.load()
        assert str(caught.value) == (
            f"--run must be the folder of a run, but {folder.path} has no run.json. Start one "
            "with: python -m search run --space FILE --run DIR"
        )
    assert not directory.path.exists()


@pytest.mark.parametrize("text", ["{", ""])
def test_a_torn_pointer_is_named(directory, text):
    directory.path.mkdir(parents=True)
    (directory.path / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"run\.json can't be read: .* Choose another --run\."):
        directory.load()


def test_a_storage_without_the_study_is_named(directory, begin):
    begin(directory)
    (directory.path / "run.json").write_text(json.dumps({"study": "other"}))
    with pytest.raises(UsageError, match=r"has no study 'other' in it\."):
        directory.load()


def test_a_run_that_was_stopped_at_once_says_so(directory):
    with directory.writing():
        url = directory.storage_url(None)
        optuna.create_study(study_name="tiny", storage=open_storage(url))
        directory.remember(url, "tiny")
    with pytest.raises(UsageError, match=r"was stopped before anything was measured\. Run it"):
        directory.load()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nosuchdb://me:secret@host/db", "nosuchdb://me:***@host/db"),
        ("not a url", "it"),
        ("sqlite:////no/such/folder/study.db", "sqlite:////no/such/folder/study.db"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named_without_its_password(url, shown):
    with pytest.raises(UsageError) as caught:
        open_storage(url)
    text = str(caught.value)
    assert text.startswith(
        f"--storage must be a database that Optuna can open, but {shown} answers: "
    )
    assert text.endswith(" Check the URL, or leave it out for SQLite.")
    assert "secret" not in text


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "study.db"
    path.write_text("no database at all, but text that is long enough to be read as a header\n" * 9)
    with pytest.raises(UsageError, match=r"answers: .*file is not a database.* Check the URL"):
        open_storage(f"sqlite:///{path}")
