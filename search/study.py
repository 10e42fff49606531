"""Opening a study: the run's folder, its lock and storage, and the study of this very space.

What then happens is `search.loop`; the two are apart because `confirm` opens a study too.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import optuna

from search.assembly import describe_workload, make_builder, make_evaluator
from search.budget import Budget
from search.dashboard import Dashboard
from search.errors import UsageError
from search.events import Notice, Observer
from search.front_pins import FrontPins
from search.loop import SearchLoop
from search.plan import Plan, make_plan
from search.records import Run
from search.run_directory import RunDirectory, open_storage
from search.state import StudyState
from search.study_attributes import RUN
from search.target import find_target
from spaces.load import load_space
from spaces.schema import Space


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line may change for one session.

    Attributes:
        trials: Total of finished trials; None takes the space file's.
        timeout_s: Seconds for this session; None takes the space file's.
        storage: Optuna storage URL; None is SQLite in the run's folder.
        seed: Of the whole study; None is 0 for a new run and the kept one for an old.
        should_stop: Asked before every trial.
    """

    trials: int | None = None
    timeout_s: float | None = None
    storage: str | None = None
    seed: int | None = None
    should_stop: Callable[[], bool] = lambda: False


def run_search(
    space: Space, directory: RunDirectory, options: RunOptions, observe: Observer
) -> Run:
    """Run a study to the end of its budget and return it; a folder with a run goes on.

    Raises:
        RunError: If it can't start, or the disk or the storage gives out.
        KeyboardInterrupt: If it was stopped in the middle of a trial.
    """
    with _opened(space, directory, options, observe) as loop:
        return loop.run()


def confirm_front(
    space: Space, directory: RunDirectory, options: RunOptions, observe: Observer
) -> Run:
    """Measure the front of a run again and return the run with the confirmed numbers.

    Raises:
        RunError: If it can't start, or the disk or the storage gives out.
        KeyboardInterrupt: If it was stopped in the middle of a measurement.
    """
    untimed = replace(options, timeout_s=math.inf)  # the budget is the search's
    with _opened(space, directory, untimed, observe) as loop:
        return loop.confirm()


@contextmanager
def opened_run(directory: RunDirectory, observe: Observer) -> Iterator[StudyState]:
    """Open a run that is there, with all that builds and measures its candidates again.

    Raises:
        RunError: If there is none, another process writes it, or what it needs has changed.
        SpaceError: If its space file is wrong by now.
    """
    space = space_of_run(directory)
    with _opened(space, directory, RunOptions(), observe) as loop:
        yield loop.state


def space_of_run(directory: RunDirectory) -> Space:
    """Return the space that a run was begun with, read again from its file.

    Raises:
        UsageError: If there is no run, or the file isn't where it was.
        SpaceError: If the file is wrong by now.
    """
    facts = directory.load().facts
    path = Path(facts.space_path or facts.space_file)
    if not path.is_file():
        raise UsageError(
            f"{directory.path} was begun with {path}, which isn't there any more. Put it back."
        )
    return load_space(path, facts.overrides)


@contextmanager
def _opened(
    space: Space, directory: RunDirectory, options: RunOptions, observe: Observer
) -> Iterator[SearchLoop]:
    target = find_target(space)
    with (
        closing(target.device),
        directory.writing(),
        closing(make_builder(space, observe)) as builder,
    ):
        for text in target.notices:
            observe(Notice(text))
        budget = _budget(space, options)
        plan = make_plan(space, target, describe_workload(builder, observe))
        study = open_study(plan, directory, options)
        seed = _seed(study, options)
        evaluator = make_evaluator(plan, builder, seed, observe)
        observe = FrontPins(evaluator.pipeline.store, directory.path, observe)
        state = StudyState(plan, study, seed, evaluator, observe)
        yield SearchLoop(state, budget, Dashboard(directory.artifacts))


def _budget(space: Space, options: RunOptions) -> Budget:
    return Budget(
        options.trials or space.budget.trials,
        options.timeout_s or space.budget.timeout_s,
        options.should_stop,
    )


def open_study(plan: Plan, directory: RunDirectory, options: RunOptions) -> optuna.Study:
    """Create the study of a run, or load it and make sure that it is this space's.

    Raises:
        UsageError: If the run belongs to another space.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = directory.storage_url(options.storage)
    directory.check_study(plan.space.name)
    study = optuna.create_study(
        study_name=plan.space.name,
        storage=open_storage(url),
        directions=[objective.direction for objective in plan.objectives],
        load_if_exists=True,
    )
    kept = study.user_attrs.get(RUN)
    if kept is not None and kept["identity"] != plan.identity:
        raise UsageError(
            f"--run must be a folder of this space, but {directory.path} was begun with another "
            f"version of {kept['space_file']}. Choose another folder with --run."
        )
    if kept is not None and kept["machine"] != plan.target.machine:
        raise UsageError(
            f"--run must go on where it was begun, on {kept['machine']}, but this is "
            f"{plan.target.machine}: numbers of two machines don't compare. Choose another folder."
        )
    directory.remember(url, plan.space.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([objective.name for objective in plan.objectives])
    return study


def _seed(study: optuna.Study, options: RunOptions) -> int:
    """Return the study's seed, which a resumed run can't change.

    Raises:
        UsageError: If another one is asked for.
    """
    kept = study.user_attrs.get(RUN)
    if kept is None:
        return options.seed or 0
    if options.seed not in (None, kept["seed"]):
        raise UsageError(
            f"--seed must be {kept['seed']}, which this run was begun with, but got "
            f"{options.seed}. Leave it out, or choose another folder with --run."
        )
    return int(kept["seed"])
