"""How a run can refuse to start, each with its exit code."""

from __future__ import annotations

from collections.abc import Sequence


class RunError(Exception):
    """A clear message and the exit code that goes with it."""

    exit_code = 2


class UsageError(RunError):
    """The person's input is wrong; the text has one line a problem."""

    @classmethod
    def of(cls, problems: Sequence[object]) -> UsageError:
        """Join problems, one a line."""
        return cls("\n".join(str(problem) for problem in problems))


class MissingError(RunError):
    """A device or an engine isn't here; the text says what would add it."""

    exit_code = 3


class DeviceGone(MissingError):
    """The device went away in the middle of a run and didn't come back; the run can go on later."""


class CannotRun(RunError):
    """What was built doesn't run here as it did; the text says what the engine answers."""

    exit_code = 1
