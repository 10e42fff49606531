"""A real sshd on loopback, with keys, port and known hosts of its own: a board, as far as SSH goes.

Debian's openssh-server brings the program; no service is started and no root is needed. Whoever
connects runs ``ssh`` with a configuration of its own, as a person's ``~/.ssh/config`` would be.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv XDG_CACHE_HOME={folder}/board PATH={path}
"""
_CLIENT = """\
Host {name}
    HostName 127.0.0.1
    User {user}
    Port {port}
    IdentityFile {folder}/user_key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
"""


class Sshd:
    """One server, which ``ssh`` finds by ``name``; its board's cache is under ``folder``.

    ``command`` says how to run it, where that isn't as it is.
    """

    def __init__(
        self,
        folder: Path,
        path: str | None = None,
        name: str = "board",
        command: Callable[..., list[str]] = lambda *program: list(program),
    ) -> None:
        self._command = command
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        for key in ("host_key", "user_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(command, check=True)
        (folder / "bin").mkdir()
        facts = {
            "name": name,
            "folder": folder,
            "port": self.port,
            "user": getpass.getuser(),
            "path": path or os.environ["PATH"],
        }
        (folder / "sshd_config").write_text(_SERVER.format(**facts))
        (folder / "ssh_config").write_text(_CLIENT.format(**facts))
        self.trust()
        self.find_too()

    def find_too(self, *others: Sshd) -> None:
        """Let what finds this server find others as well."""
        config = self.folder / "all_ssh_config"
        config.write_text(
            "".join((each.folder / "ssh_config").read_text() for each in (self, *others))
        )
        ssh = self.folder / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
        ssh.chmod(0o755)

    @property
    def client_path(self) -> str:
        """What PATH must be for ``ssh board`` to find this server."""
        return f"{self.folder / 'bin'}:{os.environ['PATH']}"

    @property
    def cache(self) -> Path:
        """The folder that the board keeps things in."""
        return self.folder / "board" / "edge-inference-search" / "board"

    def trust(self) -> None:
        """Put the host key among the known ones."""
        kind, key, *_ = (self.folder / "host_key.pub").read_text().split()
        known = f"[127.0.0.1]:{self.port} {kind} {key}\n"
        (self.folder / "known_hosts").write_text(known)

    def start(self) -> None:
        """Listen."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # root's sshd separates privileges there
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            self._command(SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")), stderr=log
        )
        log.close()
        wait_for(lambda: listens(self.port))

    def stop(self) -> None:
        """Cut every connection, and stop listening."""
        if self._process is not None:
            self.cut()
            self._process.terminate()
            self._process.wait()
            self._process = None

    def cut(self) -> None:
        """Kill the server's half of every connection, as a board that restarts would."""
        self._signal_connections(signal.SIGKILL)

    def silence(self) -> None:
        """Let every connection say nothing more and not end, as a cable that is pulled would."""
        self._signal_connections(signal.SIGSTOP)

    def _signal_connections(self, number: int) -> None:
        assert self._process is not None
        for child in _descendants(self._process.pid):
            if _name_of(child).startswith("sshd"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, number)

    def processes(self) -> list[str]:
        """Return the command lines of all that runs on the board because somebody connected."""
        mark = f"XDG_CACHE_HOME={self.folder}/board".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
        return found


@contextlib.contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run a server; where there is no sshd, the test is skipped."""
    if SSHD is None:
        pytest.skip("needs openssh-server")
    folder.mkdir(exist_ok=True)
    server = Sshd(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def interpreter_with(folder: Path) -> Path:
    """Return an interpreter for a board that finds libraries and modules in a folder, too."""
    python = folder / "python"
    found = f"LD_LIBRARY_PATH={folder} PYTHONPATH={folder}"
    python.write_text(f'#!/bin/sh\nexport {found}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def wait_for(is_true, seconds=20.0) -> None:
    """Wait until a function says yes."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _descendants(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [each for child in children for each in (int(child), *_descendants(int(child)))]
    return []


def _name_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def listens(port: int) -> bool:
    """Say whether somebody accepts connections on a port of loopback."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False
