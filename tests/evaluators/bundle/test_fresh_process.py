"""The measuring process of a bundle: workers that answer, refuse, die, hang or print rubbish."""

import numpy as np
import pytest

from evaluators.bundle import fresh_process
from evaluators.bundle.fresh_process import machine_to_itself, run_fresh
from evaluators.device_lock import DeviceLock
from evaluators.failures import CandidateAborted, DeviceLost

SERVING = """
import os, sys
import numpy as np
sys.path.insert(0, {repository!r})
for name in [name for name in sys.modules if name.partition(".")[0] == "evaluators"]:
    del sys.modules[name]
from evaluators.failures import DeviceLost
from evaluators.service import serve

def handle(message):
    if message.body["kind"] == "lose":
        raise DeviceLost("unplugged")
    said = dict(message.body, worker=sys.path[0])
    return said, [np.arange(3)]

serve(handle)
"""


@pytest.fixture
def bundle_with(tmp_path):
    """Return a function that writes a bundle whose measuring process runs some code."""

    def write(code):
        package = tmp_path / "evaluators/benchmark"
        package.mkdir(parents=True)
        for folder in (package, package.parent):
            (folder / "__init__.py").touch()
        (package / "worker.py").write_text(code)
        return tmp_path

    return write


@pytest.fixture
def serving(bundle_with, request):
    return bundle_with(SERVING.format(repository=str(request.config.rootpath)))


def test_a_job_is_answered_by_the_modules_of_the_bundle(serving):
    answer = run_fresh(serving, {"kind": "benchmark"})
    assert answer.body["kind"] == "benchmark"
    assert np.array_equal(answer.arrays[0], np.arange(3))


def test_a_failure_keeps_its_type(serving):
    with pytest.raises(DeviceLost, match="unplugged"):
        run_fresh(serving, {"kind": "lose"})


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import sys; sys.exit('no room')", "ended with exit code 1: no room"),
        ("import sys; sys.stdin.buffer.read(9); print('hello there')", "printed rubbish"),
        ("import time; time.sleep(60)", "took longer than 2 s"),
    ],
    ids=["dies", "prints rubbish", "hangs"],
)
def test_a_worker_that_goes_wrong_is_told(bundle_with, code, text):
    with pytest.raises(CandidateAborted, match=text):
        run_fresh(bundle_with(code), {"kind": "benchmark"}, limit_s=2.0)


def test_a_machine_in_use_is_waited_for(tmp_path, monkeypatch):
    path = str(tmp_path / "lock")
    monkeypatch.setattr(fresh_process, "DeviceLock", lambda: DeviceLock(path))
    other, said = DeviceLock(path), []
    assert other.try_to_take({"pid": 7}) is None

    def say(text):
        said.append(text)
        other.release()

    with machine_to_itself(say):
        assert DeviceLock(path).try_to_take({}) is not None
    assert said == ["This machine is in use by process 7: waiting for it."]
    assert DeviceLock(path).try_to_take({}) is None
