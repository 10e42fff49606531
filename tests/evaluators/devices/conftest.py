"""A board on loopback, and an environment with as little in it as a board has."""

import sys

import pytest

from evaluators.child_process import Limits
from evaluators.devices.ssh import SshDevice
from spaces.connection import Ssh
from tests.bare_environment import bare_environment
from tests.sshd import running_sshd


@pytest.fixture
def board(tmp_path, monkeypatch):
    """Return a running sshd; ``ssh board`` reaches it."""
    with running_sshd(tmp_path) as server:
        monkeypatch.setenv("PATH", server.client_path)
        yield server


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
    """Return the interpreter of an environment that has only NumPy and LiteRT."""
    return bare_environment(tmp_path_factory.mktemp("bare"), "numpy", "ai-edge-litert")
