"""A board behind SSH as a device: workers are children of an agent there.

Files go to the board once, by their SHA-256, and a job names them by it. What compiles on the board
comes back with the answer. An engine whose compiler is for hosts compiles here instead.
"""

from __future__ import annotations

import hashlib
import platform
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.benchmark.survey import Survey, survey_from_json
from evaluators.child_process import Limits
from evaluators.devices.device import OneMachine
from evaluators.devices.local import LocalDevice
from evaluators.devices.ssh_link import PART_BYTES, SshLink
from evaluators.engines import load_engine
from evaluators.failures import DeviceLost, EvaluationFailure
from evaluators.frames import BrokenMessage, Frame
from evaluators.framing import Message, message_of
from spaces.connection import Ssh

_FOLDERS = ("compiled", "model")
_GRACE_S = 30.0
"""The board ends a job at its limit; only if that is over without a word, the board is lost."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A job without paths of this machine, and the files that it needs.

    Attributes:
        request: What the agent is asked.
        files: SHA-256 -> path here.
    """

    request: dict[str, Any]
    files: dict[str, Path]


class SshDevice(OneMachine):
    """Runs each job in a fresh process on a board, and never two at once there.

    Args:
        name: As in the space file.
        address: Whom to reach.
        python: The board's interpreter.
        limits: What one job may take on the board; no memory limit where that is 0.
        host_limits: What compiling may take here.
    """

    def __init__(
        self, name: str, address: Ssh, python: str, limits: Limits, host_limits: Limits
    ) -> None:
        super().__init__(name, limits)
        self._address = address
        self._python = python
        self._host = LocalDevice(name, host_limits)
        self._link: SshLink | None = None
        self._locked: SshLink | None = None  # the link whose agent holds the board's lock
        self._sha256s: dict[tuple[Path, int, int], str] = {}
        self._holder = {"run": uuid.uuid4().hex, "host": platform.node()}

    @property
    def cpu_count(self) -> int:
        """Return how many CPUs a job may use, once the board was looked at."""
        return int(self._seen().environment["cpu_count"])

    def fingerprint(self) -> str:
        """Return a hash of what compiled artifacts depend on, once the board was looked at."""
        return self._seen().fingerprint

    def _seen(self) -> Survey:
        assert self.found is not None
        return self.found

    def _survey(self, meter: str | None, program: Sequence[str]) -> Survey:
        job = {"kind": "survey", "meter": meter, "meter_program": list(program)}
        return survey_from_json(self.run(job).body)

    def run(self, job: dict[str, Any]) -> Message:
        """Run one job on the board, or compile here for it."""
        if self.runs_here(job):
            return self._host.run(job)
        parcel = self._pack(job)
        self._send_files(parcel.files)
        timeout_s = self.limits.stage_timeout_s + _GRACE_S
        answer = self._connected().ask(parcel.request, timeout_s=timeout_s)
        if "out_dir" in job:
            self._write_files(answer, Path(job["out_dir"]))
            return Message(answer.body["result"], [])
        return self._message_of(answer)

    def runs_here(self, job: dict[str, Any]) -> bool:
        """Say whether a job is done on this machine and needs no board."""
        return job["kind"] == "compile" and load_engine(job["engine"]).compiles_on_host

    def command(self, program: Sequence[str]) -> None:
        """Run a program on the board; that the link breaks is what a reboot does."""
        try:
            done = self._connected().ask({"ask": "command", "program": list(program)})
        except DeviceLost:
            return
        result = done.body["result"]
        if result["exit_code"] != 0:
            raise DeviceLost(f"{program[0]} ended with {result['exit_code']}: {result['said']}")

    def close(self) -> None:
        """Hang up: the agent ends, and what it runs."""
        if self._link is not None:
            self._link.close()
            self._link = None
        self._locked = None

    def _try_to_lock(self) -> dict[str, Any] | None:
        answer = self._connected().ask({"ask": "lock", "holder": self._holder})
        holder: dict[str, Any] | None = answer.body["result"]
        self._locked = self._link if holder is None else None
        return holder

    def _unlock(self) -> None:
        if self._locked is not None and self._locked.is_open:
            with suppress(EvaluationFailure):
                self._locked.ask({"ask": "release"})
        self._locked = None

    def _connected(self) -> SshLink:
        """Return the link, opened if need be, but not where the lock went away with the old one."""
        if self._locked is not None and not self._locked.is_open:
            raise DeviceLost(f"{self._address.host}: the link is cut.")
        if self._link is None or not self._link.is_open:
            self.close()
            self._link = SshLink(self._address, self._python)
        return self._link

    def _write_files(self, answer: Frame, out_dir: Path) -> None:
        for name, content in zip(answer.body["files"], answer.payloads, strict=True):
            if Path(name).name != name or name == "..":
                raise DeviceLost(f"{self._address.host} sent a file called {name!r}.")
            (out_dir / name).write_bytes(content)

    def _message_of(self, answer: Frame) -> Message:
        try:
            message = message_of(answer)
        except BrokenMessage as error:
            raise DeviceLost(f"{self._address.host} sent rubbish: {error}") from None
        return Message(message.body["result"], message.arrays)

    def _pack(self, job: dict[str, Any]) -> Parcel:
        """Replace the job's paths by what their files hold."""
        files: dict[str, Path] = {}

        def named(path: Path) -> str:
            sha256 = self._sha256_of(path)
            files[sha256] = path
            return sha256

        folders = {
            name: {path.name: named(path) for path in sorted(Path(job[name]).iterdir())}
            for name in _FOLDERS
            if name in job
        }
        inputs = {
            split: [named(Path(path)) for path in paths]
            for split, paths in job.get("inputs", {}).items()
        }
        local = (*_FOLDERS, "inputs", "out_dir")
        request = {
            "ask": "run",
            "job": {name: value for name, value in job.items() if name not in local},
            "folders": folders,
            "inputs": {"inputs": inputs} if inputs else {},
            "writes": "out_dir" in job,
            "limits": [self.limits.stage_timeout_s, self.limits.memory_bytes],
        }
        return Parcel(request, files)

    def _sha256_of(self, path: Path) -> str:
        """Return a file's SHA-256, taken once: what the store keeps doesn't change."""
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in self._sha256s:
            with path.open("rb") as file:
                self._sha256s[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._sha256s[key]

    def _send_files(self, files: dict[str, Path]) -> None:
        if not files:
            return
        link = self._connected()
        lacking = link.ask({"ask": "lacking", "files": list(files)}).body["result"]
        for sha256 in lacking:
            left = files[sha256].stat().st_size
            with files[sha256].open("rb") as file:
                while True:
                    part = file.read(PART_BYTES)
                    left -= len(part)
                    body = {"ask": "add", "sha256": sha256, "is_last": left <= 0}
                    link.ask(body, [part], timeout_s=300.0)
                    if left <= 0:
                        break
