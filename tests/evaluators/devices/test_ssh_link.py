from __future__ import annotations

import subprocess
import sys

import pytest

from evaluators.devices import ssh_link
from evaluators.devices.ssh_link import SshLink, explanation, ssh_command
from evaluators.failures import DeviceLost
from spaces.connection import Ssh

BOARD = Ssh("board")


def test_a_second_link_finds_the_program_there(board):
    for _ in range(2):
        link = SshLink(BOARD, sys.executable)
        assert link.introduction["has_numpy"]
        link.close()
    assert len(list(board.cache.glob("worker-*.pyz"))) == 1


def test_an_unknown_host_key_is_refused_with_what_to_do(board):
    (board.folder / "known_hosts").write_text("")
    with pytest.raises(DeviceLost, match=r"^board: its host key isn't .* by hand .*: ssh board$"):
        SshLink(BOARD, sys.executable)
    assert not board.cache.exists()


def test_a_key_that_is_not_accepted_says_so(board):
    (board.folder / "user_key.pub").write_text("")
    with pytest.raises(DeviceLost, match=r"doesn't accept your key .*without a password"):
        SshLink(BOARD, sys.executable)


def test_nobody_at_the_address_is_a_lost_device(board):
    board.stop()
    with pytest.raises(DeviceLost, match=r"the link is cut .*Connection refused"):
        SshLink(BOARD, sys.executable)


def test_a_board_without_that_python_says_so(board):
    with pytest.raises(DeviceLost, match=r"no-such-python can't be run there .*device\.python"):
        SshLink(BOARD, "no-such-python")


def test_a_python_that_is_too_old_says_its_version(board, monkeypatch):
    monkeypatch.setattr("evaluators.devices.bootstrap.OLDEST_PYTHON", (4, 0))
    with pytest.raises(DeviceLost, match=r"must be CPython .* or later, but is 3\."):
        SshLink(BOARD, sys.executable)


def test_a_board_without_numpy_says_how_to_add_it(board, tmp_path):
    folder = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    with pytest.raises(DeviceLost, match=r"needs NumPy .*python -m pip install numpy$"):
        SshLink(BOARD, str(folder / "bin" / "python"))


def test_what_a_shell_prints_first_is_skipped(board, tmp_path):
    python = tmp_path / "greeting-python"
    python.write_text(f'#!/bin/sh\necho "Welcome to Mendel"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    SshLink(BOARD, str(python)).close()


def test_a_machine_without_ssh_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceLost, match=r"Install Debian's openssh-client"):
        SshLink(BOARD, "python3")


def test_the_command_is_a_constant_but_for_the_interpreter():
    command = ssh_command(Ssh("pi.local", "pi", 2222), "venv/bin/python; rm -rf ~")
    assert command[0] == "ssh"
    assert command[-7:-1] == ["-l", "pi", "-p", "2222", "--", "pi.local"]
    assert command[-1] == (
        "exec 'venv/bin/python; rm -rf ~' -c 'import sys;exec(sys.stdin.buffer.raw.readline())'"
    )
    assert "-oStrictHostKeyChecking=yes" in command
    assert "-oBatchMode=yes" in command


@pytest.mark.parametrize(
    ("exit_code", "said", "expected"),
    [
        (255, "Host key verification failed.", "ssh -p 22 pi@pi.local"),
        (255, "pi@pi.local: Permission denied (publickey).", "accept your key"),
        (127, "sh: 1: exec: python3: not found", "python3 can't be run there"),
        (255, "client_loop: send disconnect: Broken pipe", "the link is cut (ssh ended with 255"),
        (1, "", "(ssh ended with 1: no message)"),
    ],
)
def test_how_a_connection_ended_is_explained(exit_code, said, expected):
    assert expected in explanation(Ssh("pi.local", "pi", 22), "python3", exit_code, said)


def test_silence_of_the_other_end_is_noticed_by_ssh_itself():
    assert f"-oServerAliveInterval={ssh_link.ALIVE_INTERVAL_S}" in ssh_link.OPTIONS
