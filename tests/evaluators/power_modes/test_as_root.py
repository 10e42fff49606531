import os

import pytest

from evaluators.failures import CandidateRejected
from evaluators.power_modes import as_root
from evaluators.power_modes.as_root import find_program, run_as_root, unallowed_reason


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that puts a program on PATH, and nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(name, text):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def _somebody(monkeypatch):
    """Be no root, as far as the module can see."""
    monkeypatch.setattr(as_root.os, "geteuid", lambda: 1000)


def test_roots_folders_are_looked_into(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(as_root, "_ROOTS_FOLDERS", ":/bin")
    assert find_program("sh") == "/bin/sh"
    assert find_program("no-such-program") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone runs programs without sudo")
def test_root_runs_it_and_reads_what_it_prints(program):
    program("mode", 'echo "one $1"; echo two >&2')
    assert run_as_root("mode", "-q") == "one -q\ntwo\n"


@pytest.mark.usefixtures("_somebody")
def test_others_run_it_by_sudo_which_does_not_ask(program):
    path = program("mode", "echo done")
    program("sudo", 'printf "%s " "$@"')
    assert run_as_root("mode", "-q") == f"-n {path} -q "


@pytest.mark.usefixtures("_somebody")
def test_who_may_not_is_told_the_line_that_allows_it(program):
    path = program("mode", "echo done")
    program("sudo", "echo 'sudo: a password is required'; exit 1")
    reason = unallowed_reason("mode", "-q")
    assert reason.startswith("only root may run mode (mode ended with exit code 1: sudo: a passw")
    assert reason.endswith(f"ALL=(root) NOPASSWD: {path}")


def test_what_is_not_there_fails_or_hangs_says_so(program, monkeypatch):
    monkeypatch.setattr(as_root, "_sudo", list)
    with pytest.raises(CandidateRejected, match="no-such-program isn't here"):
        run_as_root("no-such-program")
    program("mode", "echo broken; exit 3")
    with pytest.raises(CandidateRejected, match="mode ended with exit code 3: broken"):
        run_as_root("mode")
    monkeypatch.setattr(as_root, "TIME_LIMIT_S", 0.1)
    program("mode", "exec /bin/sleep 60")
    with pytest.raises(CandidateRejected, match=r"mode took longer than 0\.1 s"):
        run_as_root("mode")
