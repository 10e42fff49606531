"""Everything of one trial that goes into its bundle, fetched from the run, the store and a device.

The file is the one that was measured: from the store, or built once more where it is gone, and then
refused if it comes out as another one. It answers the check inputs in fresh processes here, where
the run was measured, by the same path as for its accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.bench import Bench
from evaluators.benchmark.session_measurement import VARIED_INPUTS
from evaluators.built import Built
from evaluators.failures import DeviceLost, EvaluationFailure
from evaluators.framing import Message
from evaluators.measurement import is_timed
from evaluators.stage_clock import StageClock
from evaluators.store_entry import read_entry
from search.errors import MissingError, UsageError
from search.events import Notice, Observer, StageStarted
from search.records import NumberedRecord, Run, TrialRecord
from search.run_directory import RunDirectory
from search.state import StudyState
from search.study import opened_run

LARGEST_CHECK_BYTES = 64 * 2**20
"""Fewer batches are taken where eight of them, as the timed loop goes through, are larger."""


@dataclass(frozen=True, slots=True)
class ExportedTrial:
    """One trial with its file and its check.

    Attributes:
        built: The file, held in the store while this object lives.
        timing: How long each measurement took; see `search.plan.Plan.timing`.
        workload: What the space file says.
        notes: The workload's own words, see `spaces.workload_notes`.
        inputs: By name, each of shape (n, ...).
        outputs: Each of shape (n, ...).
        is_repeatable: Whether two fresh processes answered with the same bits.
        runtime_version: What the engine's runtime says of itself.
    """

    run: Run
    trial: NumberedRecord
    built: Built
    batch_size: int
    timing: Mapping[str, float]
    workload: str | Mapping[str, str]
    notes: Mapping[str, str]
    inputs: Mapping[str, NDArray[Any]]
    outputs: list[NDArray[Any]]
    is_repeatable: bool
    runtime_version: str

    @property
    def record(self) -> TrialRecord:
        """Return what was measured."""
        return self.trial.record

    @property
    def processes(self) -> list[dict[str, Any]]:
        """Return what each fresh process that measured it reported; at least one."""
        found: list[dict[str, Any]] = self.record.facts["processes"]
        return found


def fetch_trial(directory: RunDirectory, number: int, observe: Observer) -> ExportedTrial:
    """Fetch a trial's file and let it answer the check inputs.

    Raises:
        RunError: If there is no such trial, it has no model, or the run can't be opened here.
    """
    trial = find_trial(directory.load(), number)
    with opened_run(directory, observe) as state:
        try:
            return _fetch(directory.load(), trial, state, observe)
        except DeviceLost as failure:
            raise MissingError(f"trial {number} can't be exported: {failure.reason}") from failure
        except EvaluationFailure as failure:
            raise UsageError(f"trial {number} can't be exported: {failure.reason}") from failure


def find_trial(run: Run, number: int) -> NumberedRecord:
    """Return a trial that has a model.

    Raises:
        UsageError: If there is none of this number, it came to nothing, or was never timed.
    """
    trial = run.find(number)
    if trial is None:
        numbers = f"0 to {run.trials[-1].number}" if run.trials else "none yet"
        raise UsageError(
            f"--trial must be a finished trial of the run, which has {numbers}, but got {number}. "
            "List them with: python -m search front --run DIR --all"
        )
    failure = trial.record.failure
    if failure is not None or trial.record.artifact is None:
        why = "it has no model" if failure is None else f"{failure.kind}: {failure.reason}"
        raise UsageError(
            f"--trial must be one that was measured to the end, but trial {number} wasn't ({why}). "
            "Choose another: python -m search front --run DIR"
        )
    if not is_timed(trial.record.quantities):
        raise UsageError(
            f"--trial must be one that ran on a device, but trial {number} wasn't timed: its "
            "latency is an estimate, so a bundle would have nothing to verify. Its file is "
            f"{trial.record.artifact}"
        )
    return trial


def _fetch(run: Run, trial: NumberedRecord, state: StudyState, observe: Observer) -> ExportedTrial:
    bench, space = state.evaluator.bench, state.plan.space
    built = _built(trial, state, observe)
    inputs = _check_inputs(bench)
    observe(StageStarted("export", "benchmark", is_timed=True))
    first, second = (_answers(bench, built, inputs) for _ in range(2))
    _refuse_another_runtime(trial, first)
    return ExportedTrial(
        run=run,
        trial=trial,
        built=built,
        batch_size=space.batch_size,
        timing=state.plan.timing,
        workload=space.document["workload"],
        notes=bench.builder.run("notes").body,
        inputs=dict(zip(state.plan.workload.inputs, inputs, strict=True)),
        outputs=first.arrays,
        is_repeatable=[a.tobytes() for a in first.arrays] == [a.tobytes() for a in second.arrays],
        runtime_version=str(first.body["runtime_version"]),
    )


def _built(trial: NumberedRecord, state: StudyState, observe: Observer) -> Built:
    """Return the file that was measured, built again where the store lost it."""
    record, candidate = trial.record, state.candidates[trial.number]
    assert record.artifact is not None
    entry = read_entry(Path(record.artifact).parent)
    if entry is not None:
        built = Built(candidate, entry, {})
        if built.artifact_sha256 == record.artifact_sha256:
            return built
    observe(
        Notice(
            f"The file of trial {trial.number} isn't in the store any more, or is damaged: it is "
            "built again, and exported only if it comes out the same."
        )
    )
    return state.evaluator.build_again(candidate, record, f"trial {trial.number}")


def _check_inputs(bench: Bench) -> list[NDArray[Any]]:
    """Return the samples that the timed loop went through: whole batches of them."""
    inputs = bench.validation_inputs()
    batch_bytes = bench.batch_size * sum(array[:1].nbytes for array in inputs)
    batches = max(1, min(VARIED_INPUTS, LARGEST_CHECK_BYTES // batch_bytes))
    return [np.array(array[: batches * bench.batch_size]) for array in inputs]


def _answers(bench: Bench, built: Built, inputs: list[NDArray[Any]]) -> Message:
    clock = StageClock(lambda _stage: None)
    return bench.outputs(built, clock, samples=list(range(len(inputs[0]))))


def _refuse_another_runtime(trial: NumberedRecord, answer: Message) -> None:
    measured = trial.record.facts["processes"][-1]["runtime_version"]
    here = answer.body["runtime_version"]
    if measured != here:
        raise UsageError(
            f"trial {trial.number} was measured with {trial.record.engine} {measured}, but here is "
            f"{here}: its numbers aren't this version's. Install the former, or search again with "
            "a new --run."
        )
