"""The agent over two pipes, without SSH."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from evaluators.board import agent
from evaluators.board.agent import Agent
from evaluators.board.files import BoardFiles
from evaluators.device_lock import DeviceLock
from evaluators.frames import encode_frame, read_frame

ROOT = Path(__file__).parents[3]


@pytest.fixture
def talk(tmp_path):
    """Return a function that sends frames, hangs up or stays silent, and gives the answers."""

    def run(*asked, hangs_up=True):
        requests, answers = os.pipe(), os.pipe()
        os.write(requests[1], b"".join(encode_frame(*each) for each in asked))
        if hangs_up:
            os.close(requests[1])
        files = BoardFiles(str(tmp_path / "board"))
        Agent(files, str(ROOT), DeviceLock(str(tmp_path / "lock")), requests[0], answers[1]).serve()
        files.close()
        os.close(answers[1])
        with os.fdopen(answers[0], "rb") as stream:
            found = []
            while len(found) <= len(asked) and stream.peek(1):
                found.append(read_frame(stream.read).body)
        return found

    return run


def test_it_introduces_the_board_and_ends_when_the_host_hangs_up(talk):
    (introduction,) = talk()
    assert introduction["has_numpy"]
    assert set(introduction) == {"python", "executable", "machine", "system", "has_numpy"}


def test_it_ends_when_the_host_is_silent_for_too_long(talk, monkeypatch):
    monkeypatch.setattr(agent, "IDLE_LIMIT_S", 0.05)
    assert len(talk(hangs_up=False)) == 1


def test_what_is_asked_is_answered(talk):
    assert talk(({"ask": "lacking", "files": ["0" * 64]},))[1] == {"result": ["0" * 64]}


JOB = {
    "ask": "run",
    "job": {"kind": "survey", "meter": "command", "meter_program": ["sleep", "9"]},
    "folders": {},
    "inputs": {},
    "writes": False,
    "limits": [0.05, 0],
}


def test_a_job_that_takes_too_long_is_ended_and_the_agent_is_not(talk, monkeypatch):
    monkeypatch.setattr(agent, "IDLE_LIMIT_S", 0.2)
    _, failed = talk((JOB,), hangs_up=False)
    assert failed["failure"]["reason"].startswith("took longer than 0.05 s.")


def test_whatever_comes_in_a_job_ends_it_and_the_agent(talk):
    assert len(talk(({**JOB, "limits": [60.0, 0]},))) == 1  # the end of the stream, here


def test_a_full_disk_is_called_that(talk, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(BoardFiles, "add", full)
    _, answer = talk(({"ask": "add", "sha256": "0" * 64, "is_last": True}, [b""]))
    assert answer["failure"]["kind"] == "disk_full"


def test_a_command_on_the_board_says_how_it_ended(talk):
    _, done = talk(({"ask": "command", "program": ["sh", "-c", "echo not allowed; exit 4"]},))
    assert done == {"result": {"exit_code": 4, "said": "not allowed"}}
    _, absent = talk(({"ask": "command", "program": ["no-such-reboot"]},))
    assert "No such file" in absent["failure"]["reason"]


def test_modules_in_the_boards_home_folder_do_not_get_in_the_way(talk, tmp_path, monkeypatch):
    (tmp_path / "evaluators").mkdir()
    (tmp_path / "numpy.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(agent, "IDLE_LIMIT_S", 0.2)
    job = {"kind": "survey", "meter": "command", "meter_program": []}
    _, answer = talk(({**JOB, "job": job, "limits": [60.0, 0]},), hangs_up=False)
    assert answer["result"]["memory_bytes"] > 0
