import os
import stat
import subprocess
import sys

import pytest

from evaluators.device_lock import DeviceLock

ME = {"pid": 1, "host": "here"}


def test_only_one_holds_it_and_the_others_are_told_who(tmp_path):
    path = str(tmp_path / "lock")
    first, second = DeviceLock(path), DeviceLock(path)
    assert first.try_to_take(ME) is None
    assert second.try_to_take({}) == ME
    first.release()
    assert second.try_to_take({}) is None
    assert first.try_to_take(ME) == {}


def test_a_holder_that_dies_frees_it(tmp_path):
    path = str(tmp_path / "lock")
    take = (
        f"from evaluators.device_lock import DeviceLock as L; l = L({path!r}); l.try_to_take({{}})"
    )
    command = [sys.executable, "-c", f"{take}; print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert DeviceLock(path).try_to_take(ME) is not None
        other.kill()
        other.wait()
        assert DeviceLock(path).try_to_take(ME) is None


def test_every_user_may_take_it_whoever_made_it(tmp_path):
    kept = os.umask(0o077)
    try:
        DeviceLock(str(tmp_path / "lock")).try_to_take(ME)
    finally:
        os.umask(kept)
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o666


def test_a_link_in_its_place_is_refused(tmp_path):
    (tmp_path / "target").touch()
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        DeviceLock(str(tmp_path / "lock")).try_to_take(ME)


def test_what_its_holder_wrote_may_be_anything(tmp_path):
    path = tmp_path / "lock"
    lock = DeviceLock(str(path))
    lock.try_to_take(ME)
    for text in ("rubbish", "[1]"):
        path.write_text(text)
        assert DeviceLock(str(path)).try_to_take(ME) == {}
