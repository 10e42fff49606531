"""The boundary where a person's code is called: whatever it raises becomes a `WorkloadError`."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces.workload import WorkloadError

_MAX_MESSAGE = 300


@contextmanager
def persons_code(doing: str, folder: Path) -> Iterator[None]:
    """Run a person's code, and name its file and line in the error when it raises.

    Args:
        doing: What is being called, e.g. ``model()``.
        folder: Where the person's files lie; the deepest frame inside is the one to blame.

    Raises:
        WorkloadError: For anything that was raised, ``SystemExit`` included.
    """
    try:
        yield
    except WorkloadError:
        raise
    except (Exception, SystemExit) as error:
        message = " ".join(str(error).split())[:_MAX_MESSAGE]
        said = f"{type(error).__name__}: {message}" if message else type(error).__name__
        raise WorkloadError(
            f"{_place(error, folder)}: {doing} must not raise, but raised {said}. Fix it there."
        ) from error


def _place(error: BaseException, folder: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_theirs(Path(frame.filename), folder)]
    # What they returned may raise elsewhere, and no line outside is theirs to fix.
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(folder)


def _is_theirs(file: Path, folder: Path) -> bool:
    return file.is_relative_to(folder) and "site-packages" not in file.parts
