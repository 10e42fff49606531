"""The board's end of a link: takes files and jobs from a host over standard input and output.

Started by `evaluators.devices.ssh_link` over SSH, from a zipapp that was sent there. No port is
opened. It ends when the link does, and after `IDLE_LIMIT_S` without a word: then the host is gone
and the network never said so. Either way it takes a running job, the lock and its folder with it.

::

    host                                  agent
      {"ask": "lacking", "files"}    ->     {"result": which of these aren't here, or damaged}
      {"ask": "add", "sha256"} part  ->     keeps the file, once its SHA-256 is right
      {"ask": "lock", "holder"}      ->     {"result": None, or who holds it}
      {"ask": "run", "job", ...}     ->     a fresh worker ... its answer, passed on
      {"ask": "release"}             ->
      (hangs up)                            kills, removes, ends

This file runs on the device: Python 3.7, standard library only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import select
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from evaluators.board.files import BoardFiles
from evaluators.board.job import HungUp, Limits, run_worker
from evaluators.device_lock import DeviceLock
from evaluators.failures import CandidateAborted, DiskFull, EvaluationFailure, says_disk_full
from evaluators.frames import BrokenMessage, Frame, encode_frame, read_frame

IDLE_LIMIT_S = 900.0
"""A host that trains for longer has to connect once more."""

_CLEAN_UP_S = 5.0

Answer = Tuple[Dict[str, Any], List[bytes]]


class Agent:
    """Answers one host.

    Args:
        files: What is kept here.
        archive: Where workers find their modules.
        lock: The board's.
        requests: Descriptor to read from; answers go to ``answers``.
    """

    def __init__(
        self, files: BoardFiles, archive: str, lock: DeviceLock, requests: int, answers: int
    ) -> None:
        self._files = files
        self._archive = archive
        self._lock = lock
        self._requests = requests
        self._answers = answers
        self._told_to_end_s: Optional[float] = None
        self._asks: Dict[str, Callable[[Frame], Answer]] = {
            "lacking": self._lacking,
            "add": self._add,
            "lock": self._take_lock,
            "release": self._release,
            "run": self._run,
            "command": self._command,
        }

    def serve(self) -> None:
        """Answer until the host hangs up or has been silent for too long."""
        self._send(_introduction(), [])
        while True:
            try:
                frame = read_frame(self._read_exactly)
                self._send(*self._answer(frame))
            except (EOFError, HungUp, BrokenPipeError, BrokenMessage, TimeoutError):
                return

    def _answer(self, frame: Frame) -> Answer:
        try:
            return self._asks[frame.body["ask"]](frame)
        except EvaluationFailure as failure:
            return {"failure": failure.to_json()}, []
        except BrokenPipeError:
            raise
        except OSError as error:
            return {"failure": _failure_of(error).to_json()}, []

    def _lacking(self, frame: Frame) -> Answer:
        return {"result": self._files.lacking(frame.body["files"])}, []

    def _add(self, frame: Frame) -> Answer:
        body = frame.body
        self._files.add(body["sha256"], frame.payloads[0], is_last=body["is_last"])
        return {"result": None}, []

    def _take_lock(self, frame: Frame) -> Answer:
        """Take the board's lock; one left with an agent of the same host's run is taken over."""
        holder = dict(frame.body["holder"], pid=os.getpid())
        found = self._lock.try_to_take(holder)
        if found is not None and found.get("run") == holder["run"]:
            self._end_left_behind(found["pid"])
        return {"result": found}, []

    def _end_left_behind(self, pid: int) -> None:
        """End an agent whose host is here again: ask it to, and kill it where that is in vain."""
        now_s = time.monotonic()
        if self._told_to_end_s is None:
            self._told_to_end_s, number = now_s, signal.SIGTERM
        elif now_s - self._told_to_end_s > _CLEAN_UP_S:
            number = signal.SIGKILL  # its worker dies with it
        else:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)

    def _release(self, _frame: Frame) -> Answer:
        self._lock.release()
        return {"result": None}, []

    def _command(self, frame: Frame) -> Answer:
        """Run a program of the person's that brings the board down: it needn't return."""
        program = [str(word) for word in frame.body["program"]]
        done = subprocess.run(  # noqa: S603  the person's own, and no shell
            program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        said = done.stdout.decode(errors="replace").strip()[-300:]
        return {"result": {"exit_code": done.returncode, "said": said}}, []

    def _run(self, frame: Frame) -> Answer:
        """Lay the job's files out, run it, and send what it wrote into its folder along."""
        body = frame.body
        files = self._files
        try:
            job = dict(body["job"])
            for name, content in body["folders"].items():
                job[name] = files.lay_out(name, content)
            for name, splits in body["inputs"].items():
                job[name] = {
                    key: [files.path(each) for each in sent] for key, sent in splits.items()
                }
            if body["writes"]:
                job["out_dir"] = files.empty_folder("out")
            answer = run_worker(job, Limits(*body["limits"]), self._requests, self._archive)
            if not body["writes"] or "failure" in answer.body:
                return answer.body, answer.payloads
            return self._with_files(answer, job["out_dir"])
        finally:
            files.clear()

    def _with_files(self, answer: Frame, out_dir: str) -> Answer:
        kept = {name: self._files.keep(os.path.join(out_dir, name)) for name in os.listdir(out_dir)}
        payloads = []
        for sha256 in kept.values():
            with open(self._files.path(sha256), "rb") as file:
                payloads.append(file.read())
        return dict(answer.body, files=list(kept)), payloads

    def _read_exactly(self, size: int) -> bytes:
        parts: List[bytes] = []
        while size:
            if not select.select([self._requests], [], [], IDLE_LIMIT_S)[0]:
                raise TimeoutError
            part = os.read(self._requests, min(size, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _send(self, body: Dict[str, Any], payloads: List[bytes]) -> None:
        left = memoryview(encode_frame(body, payloads))
        while left:
            left = left[os.write(self._answers, left) :]


def main() -> None:
    """Serve the host at the other end of standard input and output."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)  # whatever prints must not get between the frames
    archive = os.path.abspath(sys.argv[0])
    files = BoardFiles(os.path.dirname(archive))
    lock = DeviceLock()
    try:
        Agent(files, archive, lock, requests, answers).serve()
    finally:
        lock.release()
        files.close()


def _end(_number: int, _frame: Any) -> None:
    sys.exit(1)


def _introduction() -> Dict[str, Any]:
    has_numpy = importlib.util.find_spec("numpy") is not None
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": platform.machine(),
        "system": platform.platform(),
        "has_numpy": has_numpy,
    }


def _failure_of(error: OSError) -> EvaluationFailure:
    if says_disk_full(error):
        return DiskFull("the disk of the board is full. Free space there.")
    return CandidateAborted("the board's system refused: {}".format(error))
