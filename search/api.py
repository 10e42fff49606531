"""The Python API: the same things as the command line, under the same names.

::

    import search

    results = search.run("spaces/cpu.yaml", trials=20)  # or search.load("runs/cpu")
    results.front()  # a pandas DataFrame
    results.plot_front("latency_p90_ms", "accuracy")  # a Plotly figure
    best = results.recommend(accuracy_drop=0.01)
    results.export(best["trial"], "bundle")
    search.verify("bundle").is_verified
    search.compare("runs/nuc", "runs/pi").to_ship()
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluators.bundle.verification import Verification
from search.budget import session_s
from search.comparison import Comparison, compare
from search.device_survey import DeviceSurvey, devices
from search.errors import RunError, UsageError
from search.events import Event, Notice, Observer, ignore
from search.notebook import shown
from search.outputs import OutputsOfARunningSearch
from search.results import Results
from search.run_directory import RunDirectory
from search.study import RunOptions, check_space, run_search
from spaces.errors import SpaceError
from spaces.load import load_space

__all__ = [
    "Comparison",
    "DeviceSurvey",
    "Results",
    "RunError",
    "SpaceError",
    "compare",
    "devices",
    "load",
    "run",
    "validate",
    "verify",
]


def run(
    space: str | Path,
    run_dir: str | Path | None = None,
    *,
    trials: int | None = None,
    timeout: str | float | None = None,
    until: str | None = None,
    storage: str | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    observe: Observer | None = None,
) -> Results:
    """Run or resume a search and write its report, first during the run.

    Args:
        space: A space file.
        run_dir: The run's folder; ``runs/<name of the space>`` if None.
        trials: Finished trials in total, earlier sessions included; None takes the space file's.
        timeout: Time for this session: ``90s``, ``5m``, ``1h30m``, or seconds.
        until: Stop at this time of day, HH:MM.
        storage: Any Optuna storage by URL; None is SQLite in the run's folder.
        seed: Of a new run; None is 0.
        overrides: ``key=value`` pairs, as ``--set`` takes them.
        observe: Called with every event of `search.events`; None shows progress in a notebook.

    Raises:
        SpaceError: If the space file is wrong.
        RunError: If the run can't start or go on.
        KeyboardInterrupt: If it was stopped. The finished trials are kept, and the same call goes
            on.
    """
    _check_least("trials", trials, 1)
    _check_least("seed", seed, 0)
    loaded = load_space(Path(space), overrides)
    directory = RunDirectory(Path(run_dir) if run_dir else default_run_dir(loaded.name))
    options = RunOptions(trials, session_s(timeout, until), storage, seed)
    keep = OutputsOfARunningSearch(directory)
    with shown(observe) as observer:

        def observe_and_keep(event: Event) -> None:
            observer(event)
            keep(event)

        results = Results(run_search(loaded, directory, options, observe_and_keep), directory)
    results.report()
    return results


def load(run_dir: str | Path) -> Results:
    """Read a run as it stands, also while it is being written.

    Raises:
        UsageError: If there is no run in this folder.
    """
    directory = RunDirectory(Path(run_dir))
    return Results(directory.load(), directory)


def validate(space: str | Path, overrides: Sequence[str] = ()) -> None:
    """Check a space file, its workload and whether its engines are here.

    A model that isn't trained yet is trained for it.

    Args:
        space: A space file.
        overrides: ``key=value`` pairs, as ``--set`` takes them.

    Raises:
        SpaceError: With everything that is wrong in the file.
        RunError: With everything that is wrong or missing elsewhere.
    """
    check_space(load_space(Path(space), overrides))


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
    from reports.bundle.verify import verify_bundle

    say = observe or ignore
    return verify_bundle(Path(bundle), connect, python, lambda text: say(Notice(text)))


def default_run_dir(name: str) -> Path:
    """Return where a space's run lies unless another folder is named."""
    return Path("runs") / name


def _check_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UsageError(f"--{name} must be {least} or more, but got {value}. Or leave it out.")
