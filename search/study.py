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

from evaluators.candidate import POWER_MODE
from search.assembly import describe_workload, make_builder, make_evaluator
from search.budget import Budget
from search.ceiling import Ceiling
from search.dashboard import Dashboard
from search.errors import UsageError
from search.events import Notice, Observer, ignore
from search.flights import Flights
from search.front_pins import FrontPins
from search.loop import SearchLoop
from search.plan import Plan, make_plan
from search.records import Run
from search.run_directory import RunDirectory, open_storage
from search.state import StudyState
from search.study_attributes import RUN, kept_baseline, run_of_study
from search.target import find_target
from spaces.load import load_space
from spaces.schema import Space

_WAS_LEFT = (
    "A run that was killed had left another power mode in force: what was before it is put back."
)


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
        loop.run()
        if loop.state.plan.rounds:
            Ceiling(loop.state, loop.budget).measure()
        return run_of_study(loop.state.study)


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
        loop.confirm()
        Ceiling(loop.state, loop.budget).measure()
        return run_of_study(loop.state.study)


def check_space(space: Space) -> Plan:
    """Check a space as far as possible without building anything; an untrained model is trained.

    Raises:
        RunError: With everything that is wrong or missing.
    """
    target = find_target(space)
    with closing(target.device), closing(make_builder(space, ignore)) as builder:
        return make_plan(space, target, describe_workload(builder, ignore))


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
    flights = Flights(target.device.lanes, observe)
    with (
        closing(target.device),
        closing(flights),
        directory.writing(),
        closing(make_builder(space, flights.observe)) as builder,
        closing(make_builder(space, flights.observe)) as scorer,
    ):
        for text in target.notices:
            observe(Notice(text))
        if target.power_modes is not None and target.power_modes.was_left:
            observe(Notice(_WAS_LEFT))
        budget = _budget(space, options, flights.lanes)
        plan = make_plan(space, target, describe_workload(builder, observe))
        study = open_study(plan, directory, options)
        plan = _in_the_mode_of_its_baseline(plan, study)
        seed = _seed(study, options)
        scoring = builder if flights.lanes == 1 else scorer
        evaluator = make_evaluator(plan, builder, scoring, seed, flights.observe)
        observe = FrontPins(evaluator.pipeline.store, directory.path, observe)
        state = StudyState(plan, study, seed, evaluator, observe)
        try:
            yield SearchLoop(state, budget, Dashboard(directory.artifacts), flights=flights)
        finally:
            evaluator.retries.is_over = True


def _in_the_mode_of_its_baseline(plan: Plan, study: optuna.Study) -> Plan:
    """Return the plan of a run that goes on: another power mode may be in force by now."""
    kept, modes = kept_baseline(study), plan.target.power_modes
    mode = None if kept is None else kept.params.get(POWER_MODE)
    if modes is None or mode in (None, modes.now):
        return plan
    target = replace(plan.target, power_modes=replace(modes, now=str(mode)))
    return make_plan(plan.space, target, plan.workload)


def _budget(space: Space, options: RunOptions, lanes: int) -> Budget:
    return Budget(
        options.trials or space.budget.trials,
        options.timeout_s or space.budget.timeout_s,
        options.should_stop,
        lanes=lanes,
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
