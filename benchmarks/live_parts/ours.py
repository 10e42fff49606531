"""This program, run as a person runs it: ``python -m search run`` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import optuna

from benchmarks.live_parts.setting import Setting, surroundings
from benchmarks.outcome import Outcome, Trace
from search.records import Run
from search.run_directory import RunDirectory
from search.session import DONE, NOTHING_FEASIBLE

NAME = "ours"


@dataclass(frozen=True, slots=True)
class OurSearch:
    """What the program found.

    Attributes:
        run: As it stands in its folder.
    """

    run: Run
    outcome: Outcome


def search(setting: Setting) -> OurSearch:
    """Search for the time that every method has.

    Raises:
        RuntimeError: If the program fails.
    """
    run_dir = setting.folder / "run"
    start = datetime.now().astimezone()
    begin_s = time.monotonic()
    with surroundings(setting.cache_of(NAME)):
        done = subprocess.run(  # noqa: S603  our own program
            _command(setting, run_dir), check=False, stdout=subprocess.DEVNULL
        )
    if done.returncode not in (DONE, NOTHING_FEASIBLE):
        raise RuntimeError(f"python -m search run ended with exit code {done.returncode}.")
    whole_s = time.monotonic() - begin_s
    run = RunDirectory(run_dir).load()
    trace = Trace()
    ended_s = _ended_s(run_dir, run.facts.name, start)
    for trial in run.trials:
        trace.add(ended_s[trial.number], trial)
    return OurSearch(run, trace.outcome(run, spent_s(run, whole_s)))


def spent_s(run: Run, whole_s: float) -> dict[str, float]:
    """Return where a search's wall time went: each stage, asking, and all the rest."""
    records = [trial.record for trial in run.trials]
    records += [] if run.baseline is None else [run.baseline]
    stages: dict[str, float] = {}
    for record in records:
        for stage, seconds in record.stage_seconds.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    stages["search"] = sum(record.ask_seconds for record in records)
    return {**stages, "rest": whole_s - sum(stages.values())}


def _command(setting: Setting, run_dir: Path) -> Sequence[str]:
    overrides = [part for text in setting.overrides for part in ("--set", text)]
    return [
        *(sys.executable, "-m", "search", "run", "--space", str(setting.space().file), "--plain"),
        *("--run", str(run_dir), "--timeout", f"{setting.seconds}s", "--seed", str(setting.seed)),
        *overrides,
    ]


def _ended_s(run_dir: Path, name: str, start: datetime) -> dict[int, float]:
    """Return trial number -> seconds after the start at which it was told."""
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{run_dir}/study.db")
    return {
        trial.number: (trial.datetime_complete.astimezone() - start).total_seconds()
        for trial in study.get_trials(deepcopy=False)
        if trial.datetime_complete is not None
    }
