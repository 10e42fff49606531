"""Sessions of a real run with stand-ins at its ends, each meant for a process of its own.

A run of 10,000 trials would take minutes to get there, so most of it is filled in: trials at random
that went through the same asking, recording and telling in memory, copied into the storage.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import optuna
import psutil
from optuna.samplers import RandomSampler
from rich.console import Console

from benchmarks.overhead_parts.bulk import add_trials
from benchmarks.overhead_parts.stand_in import WORKLOAD, StandInBench, StandInPipeline
from benchmarks.overhead_parts.stopwatch import Spent, Stopwatch
from evaluators.bench import Bench
from evaluators.pipeline import Pipeline
from reports.html import write_report
from reports.tables import front_table
from search import feedback
from search.budget import Budget
from search.evaluation import Evaluator
from search.events import Event, Observer, TrialFinished, ignore
from search.loop import SearchLoop
from search.parameters import ParameterSpace
from search.plan import Plan, make_plan
from search.policy.policy import Policy
from search.progress import LiveProgress, PlainProgress, log_event
from search.run_directory import RunDirectory
from search.state import StudyState
from search.study import RunOptions, open_study
from search.target import find_target
from spaces.load import load_space

SPACE = Path(__file__).parents[2] / "spaces" / "cpu.yaml"
CHOICE, ASK, TELL, PROGRESS, REST = "choice", "ask", "tell", "progress", "rest"
STAND_IN = "stand-in"
_TERMINAL_WIDTH, _TERMINAL_HEIGHT = 120, 40
_FILLED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Timed:
    """What one session was seen to take.

    Attributes:
        trials: Part -> what it took, one for each trial.
        resume_s: Until the first trial could have begun.
        uss_bytes: Memory of the process at its end that no other shares.
    """

    trials: list[dict[str, Spent]]
    resume_s: float
    uss_bytes: int


def search_on(folder: Path, more: int, *, live: bool) -> Timed:
    """Go on with a run for so many trials, as `search.session` does, and time all but the first.

    The first has what a session begins with, among it the canary.
    """
    watch, directory = Stopwatch(), RunDirectory(folder)
    found: list[dict[str, Spent]] = []
    with directory.writing(), _progress(directory, live=live) as show:

        def observe(event: Event) -> None:
            with watch.part(PROGRESS):
                show(event)
            if isinstance(event, TrialFinished):
                found.append(watch.take(REST))

        start_s = time.perf_counter()
        state = _opened(directory, observe)
        resume_s = time.perf_counter() - start_s
        with (
            watch.watching(CHOICE, (Policy, "propose"), (Policy, "gate")),
            watch.watching(ASK, (optuna.Study, "ask"), (ParameterSpace, "ask")),
            watch.watching(TELL, (feedback, "tell")),
            watch.watching(STAND_IN, (StandInPipeline, "build"), (StandInBench, "measure")),
        ):
            budget = Budget(state.finished + more, None, lambda: False)
            SearchLoop(state, budget).run()
    return Timed(found[1:], resume_s, psutil.Process().memory_full_info().uss)


def fill(folder: Path, total: int) -> None:
    """Add trials at random until a run has so many."""
    directory = RunDirectory(folder)
    with directory.writing():
        state = _opened(directory, ignore)
        while (missing := total - len(state.trials)) > 0:
            _add_at_random(state, min(missing, _FILLED_AT_ONCE), folder / "study.db")
            state.reread()


def read(folder: Path) -> dict[str, float]:
    """Return the seconds that other commands take on a run: loading it, its front, its report."""
    directory = RunDirectory(folder)
    console = _console(live=True)
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        start_s = time.perf_counter()
        work()
        seconds[name] = time.perf_counter() - start_s

    timed("load", directory.load)
    run = directory.load()
    timed("front", lambda: console.print(front_table(run, show_all=False)))
    timed("report", lambda: write_report(run, directory.report))
    return seconds


def _add_at_random(state: StudyState, count: int, database: Path) -> None:
    objectives = state.plan.objectives
    memory = optuna.create_study(
        directions=[objective.direction for objective in objectives],
        sampler=RandomSampler(seed=len(state.trials)),
    )
    for number in range(count):
        trial = memory.ask()
        candidate = state.plan.parameters.ask(trial)
        record = state.judged(state.evaluator.evaluate(candidate, f"trial {number}"))
        feedback.tell(memory, trial, record, objectives)
    add_trials(database, memory.get_trials(deepcopy=False))


def _opened(directory: RunDirectory, observe: Observer) -> StudyState:
    """Open a run as `search.study` does, but for its workload and what measures."""
    space = load_space(SPACE)
    target = find_target(space)
    plan = make_plan(space, target, WORKLOAD)
    study = open_study(plan, directory, RunOptions())
    return StudyState(plan, study, 0, _evaluator(plan, observe), observe)


def _evaluator(plan: Plan, observe: Observer) -> Evaluator:
    pipeline = StandInPipeline()
    bench = StandInBench(plan.target.provenance, random.Random(os.getpid()))  # noqa: S311
    return Evaluator(cast("Pipeline", pipeline), cast("Bench", bench), plan.objectives, observe)


@contextmanager
def _progress(directory: RunDirectory, *, live: bool) -> Iterator[Observer]:
    """Show and log events as a session at a terminal does; what is drawn goes nowhere."""
    logger = logging.getLogger("search.run")
    handler = logging.FileHandler(directory.log)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    console = _console(live=live)
    with LiveProgress(console) if live else PlainProgress(console) as progress:

        def show(event: Event) -> None:
            log_event(logger, event)
            progress(event)

        yield show
    logger.removeHandler(handler)
    handler.close()


def _console(*, live: bool) -> Console:
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115  it lives as long as the process
    return Console(
        file=nowhere, force_terminal=live, width=_TERMINAL_WIDTH, height=_TERMINAL_HEIGHT
    )
