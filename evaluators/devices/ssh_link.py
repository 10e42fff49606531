"""One SSH connection to a board, with frames over it for as long as it lasts.

::

    ssh -T ... user@host  "exec python3 -c '<one fixed line>'"
      this machine                            the board
        one line of Python            ->        runs it: `evaluators.devices.bootstrap`, which
                                      <-        says its version, and whether it has the zipapp
        the zipapp, unless it has it  ->        keeps it and becomes it: `evaluators.board.agent`
        frames                       <->        frames

The user's own SSH configuration, keys and known hosts decide who talks to whom. Nothing is asked at
a terminal, and an unknown host key is refused. The command is a constant, beside the interpreter's
name: whatever else there is to say goes over standard input. One connection serves a whole run, so
its handshake is paid once, without a master connection to look after.
"""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from evaluators.child_death import last_words
from evaluators.devices.bootstrap import MARK, OLDEST_PYTHON, bootstrap_line
from evaluators.devices.worker_archive import WorkerArchive, worker_archive
from evaluators.failures import DeviceLost, failure_from_json
from evaluators.frames import BrokenMessage, Frame, encode_frame, read_frame
from spaces.connection import Ssh

ALIVE_INTERVAL_S, ALIVE_COUNT = 5, 3
"""The heartbeat: SSH asks the board every five seconds; after three silences the link is dead."""
CONNECT_TIMEOUT_S = 15
GREETING_TIMEOUT_S = 60.0
ASK_TIMEOUT_S = 60.0
PART_BYTES = 8 * 2**20
OPTIONS = (
    "-T",
    "-oBatchMode=yes",
    "-oStrictHostKeyChecking=yes",
    "-oClearAllForwardings=yes",
    "-oForwardAgent=no",
    "-oForwardX11=no",
    f"-oConnectTimeout={CONNECT_TIMEOUT_S}",
    f"-oServerAliveInterval={ALIVE_INTERVAL_S}",
    f"-oServerAliveCountMax={ALIVE_COUNT}",
)
_NAMED_BY = "device.python, or --python"
_GREETING_LIMIT_BYTES = 2**16
_COMMAND = "exec {} -c 'import sys;exec(sys.stdin.buffer.raw.readline())'"


class SshLink:
    """A connection and the agent at its other end.

    Args:
        address: Whom to reach.
        python: The board's interpreter: a name on its PATH, or a path there.

    Raises:
        DeviceLost: If it can't be reached, or lacks what the agent needs.
    """

    def __init__(self, address: Ssh, python: str) -> None:
        self._address = address
        self._python = python
        if shutil.which("ssh") is None:
            raise DeviceLost("ssh isn't on this machine's PATH. Install Debian's openssh-client.")
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        self._process = subprocess.Popen(  # noqa: S603  options and a command of our own
            ssh_command(address, python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,  # Ctrl-C is for the parent
            bufsize=0,
        )
        try:
            self.introduction = self._greet(worker_archive())
        except BaseException:
            self.close()
            raise

    def ask(
        self,
        body: dict[str, Any],
        payloads: Sequence[bytes] = (),
        timeout_s: float = ASK_TIMEOUT_S,
    ) -> Frame:
        """Ask the agent and sleep until it answers.

        Returns:
            ``{"result": ...}`` with what came along.

        Raises:
            EvaluationFailure: What the agent or its worker reported.
            DeviceLost: If the link broke or the time is up; it is closed then.
        """
        try:
            self._send(encode_frame(body, payloads))
            answer = self._receive(timeout_s)
        except DeviceLost:
            self.close()
            raise
        if "failure" in answer.body:
            raise failure_from_json(answer.body["failure"])
        return answer

    @property
    def is_open(self) -> bool:
        """Say whether the connection still lives."""
        return self._process.poll() is None

    def close(self) -> None:
        """Hang up, which ends the agent and all that it runs."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        if self.is_open:
            try:
                self._process.wait(timeout=2)  # ssh passes the end of its input on, then ends
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._stderr.close()

    def _greet(self, archive: WorkerArchive) -> dict[str, Any]:
        """Start the agent, and return what it says of the board."""
        self._send(bootstrap_line(archive))
        facts = self._read_mark(time.monotonic() + GREETING_TIMEOUT_S)
        if facts.get("is_old"):
            oldest = ".".join(map(str, OLDEST_PYTHON))
            raise DeviceLost(
                f"{self._python} on {self._address.host} must be CPython {oldest} or later, but is "
                f"{facts['python']}. Install a newer one there, and name it with {_NAMED_BY}."
            )
        if not facts["is_here"]:
            self._send(archive.content)
        introduction = self._receive(GREETING_TIMEOUT_S).body
        if not introduction["has_numpy"]:
            raise DeviceLost(
                f"the board needs NumPy beside Python {introduction['python']}. Add it there with: "
                f"{introduction['executable']} -m pip install numpy"
            )
        return introduction

    def _read_mark(self, deadline_s: float) -> dict[str, Any]:
        """Skip what the board's own shell prints, up to the bootstrap's first line."""
        said = b""
        pattern = re.compile(b"\n" + re.escape(MARK.encode()) + b"([^\n]*)\n")
        while len(said) < _GREETING_LIMIT_BYTES:
            said += self._read_exactly(1, deadline_s)
            found = pattern.search(said) if said.endswith(b"\n") else None
            if found:
                facts: dict[str, Any] = json.loads(found[1])
                return facts
        raise DeviceLost(f"{self._address.host} talks without end instead of running Python.")

    def _receive(self, timeout_s: float) -> Frame:
        deadline_s = time.monotonic() + timeout_s
        try:
            return read_frame(lambda size: self._read_exactly(size, deadline_s))
        except BrokenMessage as error:
            raise DeviceLost(f"{self._address.host} sent rubbish: {error}") from None

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        left = memoryview(data)
        try:
            while left:
                left = left[self._process.stdin.write(left) :]
        except (BrokenPipeError, ValueError):  # a closed stream is a ValueError
            raise self._death() from None

    def _read_exactly(self, size: int, deadline_s: float) -> bytes:
        assert self._process.stdout is not None
        parts: list[bytes] = []
        while size:
            left_s = max(0.0, deadline_s - time.monotonic())
            if not select.select([self._process.stdout], [], [], left_s)[0]:
                raise DeviceLost(f"{self._address.host} gave no answer in time.")
            part = os.read(self._process.stdout.fileno(), min(size, 2**20))
            if not part:
                raise self._death()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _death(self) -> DeviceLost:
        """Say why the connection ended, with the remedy where there is one."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        code = self._process.poll()
        said = "" if self._stderr.closed else last_words(self._stderr).strip()
        return DeviceLost(explanation(self._address, self._python, code, said))


def ssh_command(address: Ssh, python: str) -> list[str]:
    """Return the program and arguments that connect; no shell sees them on this machine."""
    user = [] if address.user is None else ["-l", address.user]
    port = [] if address.port is None else ["-p", str(address.port)]
    return ["ssh", *OPTIONS, *user, *port, "--", address.host, _COMMAND.format(shlex.quote(python))]


def explanation(address: Ssh, python: str, exit_code: int | None, said: str) -> str:
    """Return in one line why a connection ended, and what to do about it.

    Args:
        address: Who was to be reached.
        python: The interpreter asked for.
        exit_code: Of ``ssh``: 255 is its own, another one the remote command's.
        said: What it printed to standard error.
    """
    last = said.splitlines()[-1].strip() if said else "no message"
    by_hand = " ".join(ssh_command(address, "")[:1] + _destination(address))
    if "Host key verification failed" in said or "REMOTE HOST IDENTIFICATION" in said:
        return (
            f"{address.host}: its host key isn't among your known hosts, or has changed. If you "
            f"trust it, connect once by hand and accept the key: {by_hand}"
        )
    if "Permission denied" in said:
        return (
            f"{address.host}: it doesn't accept your key ({last}). Nothing is asked at a terminal: "
            f"make this work without a password first: {by_hand}"
        )
    if exit_code in (126, 127):
        return (
            f"{address.host}: {python} can't be run there ({last}). Install CPython 3.7 or later, "
            f"or name another one with {_NAMED_BY}."
        )
    return f"{address.host}: the link is cut (ssh ended with {exit_code}: {last[:300]})."


def _destination(address: Ssh) -> list[str]:
    user = "" if address.user is None else f"{address.user}@"
    port = [] if address.port is None else ["-p", str(address.port)]
    return [*port, f"{user}{address.host}"]
