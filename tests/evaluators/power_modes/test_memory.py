import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.failures import DeviceLost
from evaluators.power_modes import memory
from evaluators.power_modes.memory import Memory

NOBODY = 65534
REMEMBERED = {"pid": 1, "settings": []}
HOLD = """
import sys
from evaluators.power_modes.memory import Memory
held = Memory.made(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
held.forget()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "memory")


@pytest.fixture
def holder(path):
    """Hold the memory in another process, until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        yield other
        other.kill()


def test_what_is_written_is_found_once_nobody_holds_it(path):
    made = Memory.made(path)
    made.write({"pid": 123456789, "settings": []})
    made.write(REMEMBERED)
    made.release()
    found = Memory.found(path)
    assert found.read() == REMEMBERED
    found.forget()
    assert not Path(path).exists()
    assert Memory.found(path) is None


def test_one_that_is_held_is_waited_for(path, holder):
    holder.stdin.close()
    assert Memory.found(path) is None
    assert holder.wait() == 0


def test_who_waits_too_long_says_for_what(path, holder, monkeypatch):
    monkeypatch.setattr(memory, "PATIENCE_S", 0.1)
    with pytest.raises(DeviceLost, match=f"still held, by who locks {path}"):
        Memory.found(path)


def test_one_whose_holder_was_killed_is_found(path, holder):
    holder.kill()
    holder.wait()
    assert Memory.found(path).read() == {}


def test_one_that_is_there_is_not_made_again(path):
    Memory.made(path).release()
    with pytest.raises(DeviceLost, match="can't be made: File exists"):
        Memory.made(path)


@pytest.mark.parametrize("text", ["", '{"pid": 1, "sett'])
def test_what_was_not_written_to_its_end_says_nothing(path, text):
    Path(path).write_text(text)
    assert Memory.found(path).read() == {}


def test_a_link_in_its_place_is_refused(path, tmp_path):
    (tmp_path / "target").write_text("{}")
    Path(path).symlink_to(tmp_path / "target")
    with pytest.raises(DeviceLost, match="can't be read: Too many levels of symbolic links"):
        Memory.found(path)


def test_what_others_may_write_is_not_believed(path):
    made = Memory.made(path)
    made.write(REMEMBERED)
    made.release()
    Path(path).chmod(0o666)
    with pytest.raises(DeviceLost, match="only that user's word for it is there"):
        Memory.found(path).read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_says_is_not_believed(path):
    made = Memory.made(path)
    made.write(REMEMBERED)
    made.release()
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(DeviceLost, match=f"a run of user {NOBODY} was killed"):
        Memory.found(path).read()
