"""One candidate -> one record: its numbers, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

from evaluators.bench import VALIDATION, Bench
from evaluators.built import Built, Measured
from evaluators.candidate import Candidate
from evaluators.failures import CandidateRejected, DiskFull, EvaluationFailure
from evaluators.growing_score import GrowingScore, parts_of
from evaluators.pipeline import Pipeline
from evaluators.spread import (
    ProcessSpread,
    learn,
    median_of,
    with_more_samples,
    with_prediction,
)
from evaluators.stage_clock import StageClock
from search.errors import UsageError
from search.events import Observer, StageStarted
from search.gates import WRONG_AT_MOST
from search.records import GATED, Failure, TrialRecord
from search.retries import Retries, disk_full
from spaces.objectives import Objective

BASELINE_PROCESSES = 3
"""The baseline is what everything is compared with, and the first to say how processes differ."""

Refuse = Callable[[TrialRecord], str | None]
"""Say why a model isn't worth training, from what was measured before, or None."""
RefuseScore = Callable[[TrialRecord, float, str], str | None]
"""Say why a model isn't worth scoring further, from its numbers, the best that its metric may yet
come to, and which samples say so; or None."""
ANSWERS_AT_ONCE_S = 20.0
"""Where a split's answers take longer, they are scored part by part."""
_ANSWERS_UNASKED_S = 1.0
"""Answers that may be spared are taken where they take less than another process for them."""


@dataclass(slots=True)
class Evaluator:
    """Turns candidates into records.

    Attributes:
        objectives: What must have a value in the end.
        spreads: What repeats have taught so far of the difference between processes.
        retries: What is done where the device goes away.
    """

    pipeline: Pipeline
    bench: Bench
    objectives: tuple[Objective, ...]
    observe: Observer
    spreads: dict[str, ProcessSpread] = field(default_factory=dict)
    retries: Retries = field(default_factory=Retries)

    def reference_metric(self) -> float:
        """Return the metric of the model as given, in float32 on this host.

        Raises:
            UsageError: If the workload can't be scored, or the store's disk is full.
        """
        with clear_failures():
            return float(self.bench.reference(VALIDATION)[0].mean())

    def evaluate(
        self,
        candidate: Candidate,
        label: str,
        refuse: Refuse | None = None,
        before: TrialRecord | None = None,
        refuse_score: RefuseScore | None = None,
        refuse_answers: Refuse | None = None,
    ) -> TrialRecord:
        """Build and measure once; a device that goes away is tried again, then given up.

        Args:
            candidate: What.
            label: Of the trial, for whoever watches.
            refuse: Asked about the model as it is before fine-tuning, built and timed; a reason
                ends the trial there. None trains without asking.
            before: Where the same candidate was measured already, what was found: this time adds
                samples to it.
            refuse_score: Asked after each part of a long validation split; a reason ends the trial
                there. None scores all of it.
            refuse_answers: Asked once an artifact is timed, before answers that take long; a reason
                ends the trial there. None asks the artifact without asking.

        Raises:
            UsageError: If a disk is full, which no other candidate would escape.
        """

        def measure(clock: StageClock) -> TrialRecord:
            if refuse is not None:
                probed = self._probe(candidate, clock)
                reason = refuse(probed)
                if reason is not None:
                    return replace(probed, failure=Failure(GATED, reason, "benchmark"))
            built = self.pipeline.build(candidate, clock)
            measured = self._scored(built, clock, refuse_score, refuse_answers)
            if isinstance(measured, TrialRecord):
                return measured
            record = self.record_of(built, [measured])
            is_same = before is not None and before.artifact_sha256 == record.artifact_sha256
            if before is None or not is_same or not measured.is_timed:
                return record
            return self._with_samples_of(before, record, measured)

        return self._recorded(candidate, label, measure)

    def _scored(
        self,
        built: Built,
        clock: StageClock,
        refuse_score: RefuseScore | None,
        refuse_answers: Refuse | None,
    ) -> Measured | TrialRecord:
        """Measure an artifact; where its answers take long and rule it out, return its record."""
        if self.bench.reference(VALIDATION)[0].ndim == 0:  # one figure of a whole set has no parts
            refuse_score = None
        by_parts_s = None if refuse_score is None else ANSWERS_AT_ONCE_S
        within_s = by_parts_s if refuse_answers is None else _ANSWERS_UNASKED_S
        measured = self.bench.measure(built, clock, within_s=within_s)
        if self.bench.workload.metric in measured.quantities:
            return measured
        if refuse_answers is not None:
            timed = self._numbers_of(built, [measured])
            reason = refuse_answers(timed)
            if reason is not None:
                return replace(timed, failure=Failure(GATED, reason, "score"))
        if refuse_score is not None and self.bench.answers_s(measured) > ANSWERS_AT_ONCE_S:
            return self._scored_by_parts(built, measured, clock, refuse_score)
        measured.quantities.update(self.bench.scores(built, clock))
        return measured

    def _scored_by_parts(
        self, built: Built, measured: Measured, clock: StageClock, refuse: RefuseScore
    ) -> Measured | TrialRecord:
        timed = self._numbers_of(built, [measured])
        reference = self.bench.reference(VALIDATION)[0]
        score = GrowingScore(reference, self.bench.workload.direction)
        for samples in parts_of(len(reference)):
            reason = refuse(timed, score.best_metric(WRONG_AT_MOST), str(score))
            if reason is not None:
                record = self._numbers_of(built, [measured])
                return replace(record, failure=Failure(GATED, reason, "score"))
            score.add(samples, self.bench.sample_scores(built, clock, samples))
            measured.quantities.update(self.bench.scores_of(built, score))
        return measured

    def evaluate_baseline(self, candidate: Candidate) -> TrialRecord:
        """Build and measure in several fresh processes, and learn how they differ."""

        def measure(clock: StageClock) -> TrialRecord:
            built = self.pipeline.build(candidate, clock)
            first = self.bench.measure(built, clock)
            repeats = BASELINE_PROCESSES - 1 if first.is_timed else 0
            more = [self.bench.measure(built, clock, ()) for _ in range(repeats)]
            self.learn([first, *more])
            return self.record_of(built, [first, *more])

        with self.staying_on():
            return self._recorded(candidate, "baseline", measure)

    @property
    def boards(self) -> tuple[str | None, ...]:
        """Return the boards that measure: one without a name, where there is one machine."""
        return self.bench.device.boards or (None,)

    def staying_on(self, board: str | None = None) -> AbstractContextManager[None]:
        """Measure on one of several boards alone meanwhile: the one named, or any."""
        return self.bench.device.staying_on(board)

    def leave_out(self, board: str | None) -> None:
        """Measure on one of several boards no more."""
        self.bench.device.leave_out(board)

    def build_again(self, candidate: Candidate, before: TrialRecord | None, label: str) -> Built:
        """Return what was shipped of a candidate, from the store or built once more.

        Raises:
            EvaluationFailure: If it can't be built, or comes out as another file than ``before``:
                two files' numbers must not be compared as if they were one's.
        """
        built = self.retries.run(lambda: self.pipeline.build(candidate, self.clock(label)))
        if before is not None and built.artifact_sha256 != before.artifact_sha256:
            raise CandidateRejected(
                "the file that was measured isn't in the store any more, and what was built in its "
                "place is another one: its tools have changed. Search again with a new --run.",
                "compile",
            )
        return built

    def measure_again(self, built: Built, label: str, splits: Sequence[str] = ()) -> Measured:
        """Measure in one more fresh process; without splits it is only timed.

        Raises:
            EvaluationFailure: If it can't be measured any more.
        """
        return self.retries.run(lambda: self.bench.measure(built, self.clock(label), splits))

    def record_of(self, built: Built, repeats: Sequence[Measured]) -> TrialRecord:
        """Return one record of an artifact that was measured in one or more fresh processes.

        What it cost is for the caller to add.
        """
        return _complete(self._numbers_of(built, repeats), self.objectives)

    def _numbers_of(self, built: Built, repeats: Sequence[Measured]) -> TrialRecord:
        numbers = median_of([measured.quantities for measured in repeats])
        flags = dict.fromkeys(flag for measured in repeats for flag in measured.flags)
        return TrialRecord(
            dict(built.candidate.params()),
            quantities=with_prediction(numbers, self.spreads, len(repeats)),
            artifact=str(built.artifact),
            artifact_sha256=built.artifact_sha256,
            notes=built.compiled.facts["notes"],
            flags=list(flags),
            facts={**built.facts, "processes": [measured.facts for measured in repeats]},
        )

    def _with_samples_of(
        self, before: TrialRecord, record: TrialRecord, measured: Measured
    ) -> TrialRecord:
        processes = before.facts["processes"]
        numbers = with_more_samples(before.quantities, len(processes), measured.quantities)
        return replace(
            record,
            quantities=with_prediction(numbers, self.spreads, len(processes) + 1),
            flags=list(dict.fromkeys([*before.flags, *record.flags])),
            facts={**record.facts, "processes": [*processes, measured.facts]},
        )

    def _probe(self, candidate: Candidate, clock: StageClock) -> TrialRecord:
        """Time the model as it is before fine-tuning; the record has no metric."""
        built = self.pipeline.build(replace(candidate, distillation=None), clock)
        record = self._numbers_of(built, [self.bench.probe(built, clock)])
        return replace(record, params=dict(candidate.params()), artifact=None, artifact_sha256=None)

    def _recorded(
        self, candidate: Candidate, label: str, measure: Callable[[StageClock], TrialRecord]
    ) -> TrialRecord:
        clock = self.clock(label)

        def work() -> TrialRecord:
            record = measure(clock)
            return replace(record, stage_seconds=clock.seconds, found_stages=clock.found)

        try:
            return self.retries.run(work)
        except EvaluationFailure as failure:
            return _failed(candidate, failure, clock)

    def learn(self, repeats: Sequence[Measured]) -> None:
        """Learn from an artifact's repeats; what was disturbed says nothing of quiet ones."""
        quiet = [measured.quantities for measured in repeats if not measured.flags]
        self.spreads = learn(self.spreads, quiet)

    def clock(self, label: str) -> StageClock:
        """Return what takes the time of stages, and tells whoever watches of each."""

        def started(stage: str) -> None:
            self.observe(StageStarted(label, stage, is_timed=stage == "benchmark"))

        return StageClock(started)


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turn a failure before the first candidate into a message."""
    try:
        yield
    except DiskFull as failure:
        raise disk_full(failure) from failure
    except EvaluationFailure as failure:
        raise UsageError(f"workload: {failure.reason}") from failure


def _complete(record: TrialRecord, objectives: tuple[Objective, ...]) -> TrialRecord:
    """Return the record, failed if an objective has no value."""
    for objective in objectives:
        if record.shown(objective) is None:
            why = record.quantities[objective.si_name].provenance
            failure = Failure("rejected", f"{objective.name} is {why}", "benchmark")
            return replace(record, failure=failure)
    return record


def _failed(candidate: Candidate, failure: EvaluationFailure, clock: StageClock) -> TrialRecord:
    """Keep why a trial has no numbers."""
    return TrialRecord(
        dict(candidate.params()),
        failure=Failure(failure.kind, failure.reason, failure.stage),
        stage_seconds=clock.seconds,
        found_stages=clock.found,
    )
