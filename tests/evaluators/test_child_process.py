"""Children that really hang, crash, eat memory, print rubbish and outlive their parent."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pytest

from evaluators.child_process import ChildProcess, Limits
from evaluators.failures import (
    CandidateAborted,
    CandidateRejected,
    DeviceLost,
    DiskFull,
    InputError,
)

HANDLER = """
import os, signal, sys, time, ctypes
import numpy as np
from evaluators.failures import CandidateRejected, DeviceLost, InputError
from evaluators.service import serve

def handle(message):
    kind = message.body["kind"]
    if kind == "echo":
        print("a library prints to standard output")
        os.write(1, b"and C code does too\\n")
        return {"said": message.body["word"]}, message.arrays
    if kind == "pid":
        return {"pid": os.getpid()}, []
    if kind == "hang":
        time.sleep(3600)
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "abort":
        os.abort()
    if kind == "exit":
        print("the licence server said no", file=sys.stderr)
        sys.stderr.flush()
        os._exit(7)
    if kind == "eat":
        hoard = []
        while True:
            hoard.append(np.ones(2**22))
    if kind == "raise":
        raise RuntimeError("op FOO\\nis not supported")
    if kind == "input":
        raise InputError("the file is wrong.")
    if kind == "lost":
        raise DeviceLost("the cable was pulled.")
    if kind == "no file":
        raise FileNotFoundError(2, "No such file or directory", "/model.onnx")
    if kind == "no memory":
        raise MemoryError
    if kind == "tool without memory":
        raise CandidateRejected("openvino can't compile the model: Failed to allocate 4 MiB.")
    if kind == "refuse":
        raise CandidateRejected("op FOO is not supported.")
    if kind == "full":
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"x")
    if kind == "no room":
        raise OSError(28, "No space left on device", "/scratch/model.onnx")

serve(handle)
"""


PARENT = """
from evaluators.child_process import ChildProcess, Limits
child = ChildProcess("a_child", Limits(600, 2**30))
print(child.request({"kind": "pid"}).body["pid"], flush=True)
child.request({"kind": "hang"})
"""


@pytest.fixture
def child(tmp_path):
    def start(source=HANDLER, timeout_s=30.0, memory_bytes=2**30):
        (tmp_path / "a_child.py").write_text(textwrap.dedent(source))
        limits = Limits(timeout_s, memory_bytes)
        process = ChildProcess("a_child", limits, env={"PYTHONPATH": str(tmp_path)})
        started.append(process)
        return process

    started: list[ChildProcess] = []
    yield start
    for process in started:
        process.close()


def test_answers_come_back_although_libraries_print_to_standard_output(child):
    process = child()
    for word in ("one", "two"):
        answer = process.request({"kind": "echo", "word": word}, [np.arange(3)])
        assert answer.body == {"said": word}
        np.testing.assert_array_equal(answer.arrays[0], [0, 1, 2])
    assert "C code does too" in process.stderr_tail()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("segfault", r"crashed with SIGSEGV\."),
        ("abort", r"crashed with SIGABRT\."),
        ("exit", r"ended with exit code 7: the licence server said no"),
        ("raise", r"RuntimeError: op FOO is not supported \(at a_child\.py:\d+\)"),
        ("eat", r"out of memory: the limit is 1024 MiB"),
    ],
)
def test_a_child_that_fails_says_how(child, kind, reason):
    with pytest.raises(CandidateRejected, match=reason):
        child().request({"kind": kind})


@pytest.mark.parametrize("kind", ["raise", "refuse"])
def test_what_a_tool_says_is_a_refusal(child, kind):
    with pytest.raises(CandidateRejected, match="op FOO") as caught:
        child().request({"kind": kind})
    assert caught.value.kind == "rejected"


@pytest.mark.parametrize(
    "kind", ["segfault", "abort", "exit", "eat", "no file", "no memory", "tool without memory"]
)
def test_what_the_machine_has_a_share_in_is_no_refusal(child, kind):
    with pytest.raises(CandidateAborted, match=r"\w"):
        child().request({"kind": kind})


def test_a_child_survives_what_it_could_report(child):
    process = child()
    with pytest.raises(CandidateRejected, match="op FOO"):
        process.request({"kind": "raise"})
    assert process.request({"kind": "echo", "word": "still here"}).body == {"said": "still here"}


def test_failures_keep_their_kind(child):
    process = child()
    with pytest.raises(InputError, match="the file is wrong"):
        process.request({"kind": "input"})
    with pytest.raises(DeviceLost, match="the cable was pulled"):
        process.request({"kind": "lost"})


@pytest.mark.parametrize(
    ("kind", "where"), [("full", ""), ("no room", r" \(/scratch/model\.onnx\)")]
)
def test_a_full_disk_is_not_the_candidates_fault(child, kind, where):
    with pytest.raises(DiskFull, match=rf"^a disk of this machine is full{where}\. Free space"):
        child().request({"kind": kind})


def test_a_child_that_hangs_is_killed_and_its_limit_named(child):
    process = child(timeout_s=1.5)
    with pytest.raises(CandidateRejected, match=r"took longer than 1\.5 s\. Raise limits"):
        process.request({"kind": "hang"})
    assert not process.is_alive


def test_waiting_is_reported_where_asked_for(child):
    waits = []
    with pytest.raises(CandidateRejected, match="took longer"):
        child(timeout_s=1.5).request({"kind": "hang"}, on_wait=lambda: waits.append(1))
    assert waits


def test_a_child_that_prints_rubbish_is_killed(child):
    process = child("print('hello, this is no message', flush=True)\nimport time; time.sleep(60)")
    with pytest.raises(CandidateRejected, match="printed rubbish: a message must start with"):
        process.request({"kind": "echo"})
    assert not process.is_alive


def test_a_child_that_dies_at_import_says_why(child):
    with pytest.raises(CandidateRejected, match="ModuleNotFoundError: No module named 'nowhere'"):
        child("import nowhere").request({"kind": "echo"})


def test_closing_kills_what_the_child_started_too(child):
    process = child(
        """
        import subprocess, sys
        from evaluators.service import serve
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        serve(lambda message: ({"pid": grandchild.pid}, []))
        """
    )
    pid = process.request({}).body["pid"]
    process.close()
    _assert_gone(pid)


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "a_child.py").write_text(HANDLER)
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PARENT,
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    _assert_gone(pid)


def _assert_gone(pid: int) -> None:
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")
