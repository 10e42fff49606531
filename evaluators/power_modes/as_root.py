"""NVIDIA's programs, which only root may run: found, allowed, and run with a time limit.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from typing import List, Optional

from evaluators.failures import CandidateRejected

TIME_LIMIT_S = 30.0
"""nvpmodel takes a second or two, and asks for ever where a mode needs a reboot."""
_ROOTS_FOLDERS = ":/usr/sbin:/sbin"


def find_program(name: str) -> Optional[str]:
    """Return the program's path, or None; a user's PATH often lacks root's folders."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + _ROOTS_FOLDERS)


def run_as_root(name: str, *arguments: str) -> str:
    """Run a program as root and return what it printed; ``sudo`` must not ask for a password.

    Raises:
        CandidateRejected: If it isn't there, isn't allowed, fails or takes too long.
    """
    program = find_program(name)
    if program is None:
        raise CandidateRejected("{} isn't here.".format(name))
    try:
        done = subprocess.run(  # noqa: S603  a program of the system, and no shell
            [*_sudo(), program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        reason = "{} took longer than {:g} s.".format(name, TIME_LIMIT_S)
        raise CandidateRejected(reason) from error
    except OSError as error:
        raise CandidateRejected("{} can't be run: {}.".format(name, error.strerror)) from error
    said = " ".join(done.stdout.decode(errors="replace").split())[-300:]
    if done.returncode != 0:
        reason = "{} ended with exit code {}: {}".format(name, done.returncode, said)
        raise CandidateRejected(reason)
    return done.stdout.decode(errors="replace")


def unallowed_reason(name: str, *harmless: str) -> Optional[str]:
    """Return why this user can't run a program as root, and how to allow it; None where he can.

    Args:
        name: Of the program.
        harmless: Arguments with which it changes nothing.
    """
    try:
        run_as_root(name, *harmless)
    except CandidateRejected as failure:
        if os.geteuid() == 0:
            return failure.reason.rstrip(".")
        return (
            "only root may run {0} ({1}). Allow it with this line, by `sudo visudo`: {2} "
            "ALL=(root) NOPASSWD: {3}".format(
                name, failure.reason.rstrip("."), getpass.getuser(), find_program(name) or name
            )
        )
    return None


def _sudo() -> List[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]
