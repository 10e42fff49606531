"""A study under way: what the loop, the watch for drift and confirmation all work on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from statistics import median

import optuna

from evaluators.candidate import Candidate
from search import study_attributes
from search.bounds import judged, resolve_bounds
from search.evaluation import Evaluator
from search.events import Observer
from search.plan import Plan
from search.records import NumberedRecord, Run, TrialRecord, usable
from search.run_facts import RunFacts
from search.study_attributes import run_of_study

_NEWEST = 200
"""Trials that say how long one more measurement takes."""


@dataclass(slots=True)
class StudyState:
    """The study with its trials and baseline as the search has them.

    Attributes:
        trials: Ended ones, in order, without what was confirmed.
        candidates: Trial number -> what it was; without those killed before that was decided.
        baseline: None until it was measured.
        reference_metric: The metric of the float32 model on the host.
    """

    plan: Plan
    study: optuna.Study
    seed: int
    evaluator: Evaluator
    observe: Observer
    reference_metric: float = field(init=False)
    baseline: TrialRecord | None = field(init=False)
    trials: list[NumberedRecord] = field(init=False)
    candidates: dict[int, Candidate] = field(init=False)
    _snapshot: Run | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.reference_metric = self.evaluator.reference_metric()
        self.baseline = study_attributes.kept_baseline(self.study)
        self.evaluator.spreads = study_attributes.kept_spreads(self.study)
        study_attributes.keep_facts(self.study, self.facts)
        self.reread()
        self.candidates = self._read_candidates()

    @property
    def facts(self) -> RunFacts:
        """Return what the run has in common, bounds by the baseline as it is known now."""
        return self.facts_with(self.usable_baseline)

    def facts_with(self, baseline: TrialRecord | None) -> RunFacts:
        """Return what the run has in common, bounds by this baseline."""
        plan = self.plan
        return RunFacts(
            name=plan.space.name,
            space_file=str(plan.space.file),
            space_path=str(plan.space.file.resolve()),
            overrides=plan.space.overrides,
            identity=plan.identity,
            seed=self.seed,
            device=plan.space.device.name,
            machine=plan.target.machine,
            objectives=plan.objectives,
            metric=plan.metric,
            reference_metric=self.reference_metric,
            notices=plan.target.notices,
            bounds=resolve_bounds(plan.constraints, baseline, self.reference_metric),
            figures=plan.figures,
        )

    @property
    def usable_baseline(self) -> TrialRecord | None:
        """Return the baseline if it has numbers."""
        return usable(self.baseline)

    @property
    def finished(self) -> int:
        """Return how many trials count towards the budget."""
        return sum(trial.state in ("complete", "pruned") for trial in self.trials)

    def set_baseline(self, record: TrialRecord) -> None:
        """Take and keep the baseline, with what its processes have taught."""
        study_attributes.keep_spreads(self.study, self.evaluator.spreads)
        self.baseline, self._snapshot = record, None
        study_attributes.keep_baseline(self.study, record)
        study_attributes.keep_facts(self.study, self.facts)

    def reread(self) -> None:
        """Take the trials as they are kept."""
        self.trials = list(run_of_study(self.study, confirmed=False).trials)
        self._snapshot = None

    def snapshot(self) -> Run:
        """Return the run as the search has it."""
        if self._snapshot is None:  # what is asked of a run is found out once, over all its trials
            self._snapshot = Run(self.facts, self.baseline, tuple(self.trials))
        return self._snapshot

    def judged(self, record: TrialRecord) -> TrialRecord:
        """Return a record with what it breaks of the bounds."""
        return judged(record, self.facts)

    def add(self, trial: NumberedRecord, candidate: Candidate) -> None:
        """Take in a trial that was told."""
        self.trials.append(trial)
        self.candidates[trial.number] = candidate
        self._snapshot = None

    def replace_records(self, records: Mapping[int, TrialRecord]) -> None:
        """Put records in the place of those of some trials, by their numbers."""
        self.trials = [
            replace(trial, record=records.get(trial.number, trial.record)) for trial in self.trials
        ]
        self._snapshot = None

    def _read_candidates(self) -> dict[int, Candidate]:
        found = {}
        for trial in self.study.get_trials(deepcopy=False):
            with suppress(KeyError):
                found[trial.number] = self.plan.parameters.candidate_of(trial.params)
        return found

    def measuring_s(self) -> float:
        """Return how long one more measurement should take; 0 before anything is known."""
        costs = [
            sum(trial.record.stage_seconds.get(stage, 0.0) for stage in ("benchmark", "score"))
            for trial in self.trials[-_NEWEST:]
            if trial.record.failure is None and "benchmark" in trial.record.stage_seconds
        ]
        return median(costs) if costs else 0.0
