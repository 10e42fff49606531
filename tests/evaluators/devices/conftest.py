"""A board on loopback, and an environment with as little in it as a board has."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from evaluators.child_process import Limits
from evaluators.devices.ssh import SshDevice
from spaces.connection import Ssh
from tests.sshd import SSHD, Sshd


@pytest.fixture
def board(tmp_path, monkeypatch):
    """Return a running sshd; ``ssh board`` reaches it."""
    if SSHD is None:
        pytest.skip("needs openssh-server")
    server = Sshd(tmp_path)
    server.start()
    monkeypatch.setenv("PATH", server.client_path)
    yield server
    server.stop()


@pytest.fixture
def connect():
    """Return a function that makes a device of the board; all are closed in the end."""
    made = []

    def make(python=sys.executable, seconds=60.0, memory_bytes=0):
        limits = Limits(seconds, memory_bytes)
        made.append(SshDevice("board", Ssh("board"), str(python), limits, limits))
        return made[-1]

    yield make
    for device in made:
        device.close()


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """Return the interpreter of an environment that has only NumPy and LiteRT, and what they need.

    Its packages are links to this environment's, so nothing is downloaded.
    """
    folder = tmp_path_factory.mktemp("bare")
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for name in ("numpy", "ai-edge-litert", "ml_dtypes", "flatbuffers", "tqdm", "protobuf"):
        _link(name, packages)
    return folder / "bin" / "python"


def _link(distribution, packages):
    for file in metadata.files(distribution) or []:
        top = file.parts[0]
        if top != ".." and not (packages / top).exists():
            (packages / top).symlink_to(Path(file.locate()).parents[len(file.parts) - 1] / top)
