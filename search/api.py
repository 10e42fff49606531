"""The Python API: the same things as the command line, under the same names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluators.bundle.verification import Verification
from reports.bundle.exported import fetch_trial
from reports.bundle.verify import verify_bundle
from reports.bundle.write import check_out, write_bundle
from search.events import Event, Notice, Observer
from search.outputs import OutputsOfARunningSearch, write_outputs
from search.records import Run
from search.run_directory import RunDirectory
from search.study import RunOptions, confirm_front, run_search, space_of_run
from spaces.load import load_space


def run(
    space: str | Path,
    run_dir: str | Path | None = None,
    *,
    options: RunOptions | None = None,
    overrides: Sequence[str] = (),
    observe: Observer | None = None,
) -> Run:
    """Run or resume a search and write its report, first during the run.

    Args:
        space: A space file.
        run_dir: The run's folder; ``runs/<name of the space>`` if None.
        options: What differs from the space file for this session.
        overrides: ``key=value`` pairs, as ``--set`` takes them.
        observe: Called with every event of `search.events`.

    Raises:
        SpaceError: If the space file is wrong.
        RunError: If the run can't start or go on.
    """
    loaded = load_space(Path(space), overrides)
    directory = RunDirectory(Path(run_dir) if run_dir else default_run_dir(loaded.name))
    keep = OutputsOfARunningSearch(directory)

    def observe_and_keep(event: Event) -> None:
        (observe or _ignore)(event)
        keep(event)

    found = run_search(loaded, directory, options or RunOptions(), observe_and_keep)
    write_outputs(found, directory)
    return found


def confirm(run_dir: str | Path, *, observe: Observer | None = None) -> Run:
    """Measure the front of a run again in fresh processes, and write its report.

    Raises:
        UsageError: If there is no run in this folder, or nothing on its front.
        RunError: If the device or the storage gives out.
    """
    directory = RunDirectory(Path(run_dir))
    space = space_of_run(directory)
    found = confirm_front(space, directory, RunOptions(), observe or _ignore)
    write_outputs(found, directory)
    return found


def export(
    run_dir: str | Path, trial: int, out: str | Path, *, observe: Observer | None = None
) -> Path:
    """Write a trial's model, with all that a device needs to run and verify it, into a new folder.

    Args:
        run_dir: The run's folder; where the run was measured.
        trial: Its number; any that was measured to the end.
        out: The bundle. See `evaluators.bundle.folder` for what lies in it.
        observe: Called with what takes time.

    Returns:
        The bundle's folder.

    Raises:
        RunError: If there is no such trial, its file is gone and can't be built again, or the
            bundle can't be written.
    """
    folder = Path(out)
    check_out(folder)
    write_bundle(fetch_trial(RunDirectory(Path(run_dir)), trial, observe or _ignore), folder)
    return folder


def verify(
    bundle: str | Path,
    *,
    connect: str | None = None,
    python: str = "python3",
    observe: Observer | None = None,
) -> Verification:
    """Check a bundle's files, outputs, latency and memory on this machine or on a board.

    Args:
        bundle: A folder that `export` wrote.
        connect: ``ssh://user@host[:port]`` of the board; None is this machine.
        python: The board's interpreter: a name on its PATH, or a path there.
        observe: Called with what takes time.

    Returns:
        What came out; ``is_verified`` says whether all of it is as it was measured.

    Raises:
        UsageError: If it isn't a bundle as it was exported, or ``connect`` is no address.
        MissingError: If its engine or device isn't there, or the board can't be reached.
        CannotRun: If the engine can't run it there.
    """
    say = observe or _ignore
    return verify_bundle(Path(bundle), connect, python, lambda text: say(Notice(text)))


def load(run_dir: str | Path) -> Run:
    """Read a run as it stands, also while it is being written.

    Raises:
        UsageError: If there is no run in this folder.
    """
    return RunDirectory(Path(run_dir)).load()


def default_run_dir(name: str) -> Path:
    """Return where a space's run lies unless another folder is named."""
    return Path("runs") / name


def _ignore(_: Event) -> None:
    """Take an event and do nothing."""
