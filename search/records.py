"""What is kept of every trial and of a run as a whole; `search.study_attributes` says where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evaluators.failures import DeviceLost
from evaluators.measurement import Quantity
from evaluators.peak import Peak
from search.drift import CanaryReading
from search.run_facts import RunFacts
from spaces.objectives import Objective

INTERRUPTED = "interrupted"
GATED = "gated"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial has no numbers, or not all.

    ``kind`` is one of `evaluators.failures`, interrupted, or gated: what was measured of it said
    that the rest wouldn't bring it onto the front, see `search.gates`.
    """

    kind: str
    reason: str
    stage: str | None

    @property
    def is_transient(self) -> bool:
        """Say whether nothing is known about the candidate itself."""
        return self.kind in (DeviceLost.kind, INTERRUPTED)

    @property
    def is_unbuildable(self) -> bool:
        """Say whether the candidate itself can't be built or run."""
        return not self.is_transient and self.kind != GATED


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a candidate was measured again at the end, and what the search had seen before.

    Attributes:
        rounds: Fresh processes that the confirmed values are the medians of.
        searched: SI name -> value before.
    """

    rounds: int
    searched: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial, or the baseline.

    Attributes:
        params: The candidate by dotted names, fixed values included.
        quantities: SI name -> number; empty where the trial failed, without the metric where a gate
            ended it.
        violations: Constraint -> relative overshoot; positive where broken.
        failure: None where everything was measured.
        flags: What disturbed the measurement, in words.
        confirmation: None for what was measured during the search alone.
        artifact: Path of the deployable file.
        origin: How the trial came to be, see `search.policy.history`; empty for the first ones.
        stage_seconds: Stage -> wall seconds.
        found_stages: Stages that came from the store.
        ask_seconds: What the sampler took.
        overhead_seconds: Wall time in neither a stage nor the sampler, since the last record.
    """

    params: dict[str, Any]
    quantities: dict[str, Quantity] = field(default_factory=dict)
    violations: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    flags: list[str] = field(default_factory=list)
    confirmation: Confirmation | None = None
    artifact: str | None = None
    artifact_sha256: str | None = None
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    found_stages: list[str] = field(default_factory=list)
    ask_seconds: float = 0.0
    overhead_seconds: float = 0.0

    @property
    def is_feasible(self) -> bool:
        """Say whether everything was measured and no constraint is broken."""
        return self.failure is None and max(self.violations.values(), default=0.0) <= 0

    @property
    def is_confirmed(self) -> bool:
        """Say whether it was measured again in several fresh processes."""
        return self.confirmation is not None

    def of_the_trial(self) -> dict[str, Any]:
        """Return the fields that a record which replaces it keeps: its name, origin and costs."""
        names = (
            "params",
            "origin",
            "stage_seconds",
            "found_stages",
            "ask_seconds",
            "overhead_seconds",
        )
        return {name: getattr(self, name) for name in names}

    def as_searched(self) -> TrialRecord:
        """Return the record with the values that the search saw."""
        if self.confirmation is None:
            return self
        before = self.confirmation.searched
        quantities = {
            name: replace(quantity, value=before[name])
            for name, quantity in self.quantities.items()
            if name in before
        }
        return replace(self, quantities=quantities, confirmation=None)

    def moved(self, objective: Objective) -> float | None:
        """Return an objective's confirmed value over what the search saw, or None."""
        if self.confirmation is None:
            return None
        before = self.confirmation.searched.get(objective.si_name)
        after = self.quantities[objective.si_name].value
        return after / before if before and after is not None else None

    @property
    def engine(self) -> str:
        """Return the engine's name."""
        return str(self.params["engine"])

    @property
    def board(self) -> str | None:
        """Return which of several boards it was measured on, the last time."""
        processes = self.facts.get("processes")
        return processes[-1].get("board") if processes else None

    def shown(self, objective: Objective) -> float | None:
        """Return one objective's value in the unit people see, or None if it has none."""
        quantity = self.quantities.get(objective.si_name)
        if quantity is None or quantity.value is None:
            return None
        return objective.shown_from_si(quantity.value)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a record from `to_json`; what an earlier version kept beside it is left out."""
        names = {each.name for each in fields(cls)}
        quantities = {n: Quantity.from_json(q) for n, q in data["quantities"].items()}
        failure = None if data["failure"] is None else Failure(**data["failure"])
        kept = data.get("confirmation")
        confirmation = None if kept is None else Confirmation(**kept)
        changed = {"quantities": quantities, "failure": failure, "confirmation": confirmation}
        return cls(**{name: data[name] for name in names & data.keys()} | changed)


@dataclass(frozen=True, slots=True)
class NumberedRecord:
    """A record with its trial's number and state in the study."""

    number: int
    state: str
    record: TrialRecord


def usable(record: TrialRecord | None) -> TrialRecord | None:
    """Return a record if it has numbers."""
    return record if record is not None and record.failure is None else None


@dataclass(frozen=True)
class Run:
    """A run as it stands: its facts, its baseline and its finished trials in order.

    A value like any other: what changes is another run. So what is asked of it several times after
    every trial, and costs a look at thousands of records, is found out once.

    Attributes:
        canary: The baseline's later readings, oldest first.
        lost: Trial number -> why confirmation couldn't measure it again.
        peaks: What each engine reaches at each precision, as far as it was measured.
    """

    facts: RunFacts
    baseline: TrialRecord | None
    trials: Sequence[NumberedRecord]
    canary: Sequence[CanaryReading] = ()
    lost: Mapping[int, str] = field(default_factory=dict)
    peaks: Sequence[Peak] = ()

    @property
    def usable_baseline(self) -> TrialRecord | None:
        """Return the baseline if it has numbers."""
        return usable(self.baseline)

    @cached_property
    def is_confirmed(self) -> bool:
        """Say whether the front was measured again after the last trial."""
        return any(trial.record.is_confirmed for trial in self.trials)

    @cached_property
    def eligible(self) -> tuple[NumberedRecord, ...]:
        """Return the feasible trials; once a run is confirmed, those that were confirmed."""
        feasible = (trial for trial in self.trials if trial.record.is_feasible)
        return tuple(t for t in feasible if t.record.is_confirmed or not self.is_confirmed)

    @cached_property
    def eligible_costs(self) -> NDArray[np.float64]:
        """Return `costs_of` the eligible trials."""
        return self.costs_of([trial.record for trial in self.eligible])

    def costs_of(self, records: Sequence[TrialRecord]) -> NDArray[np.float64]:
        """Return what is to be small in the units people see, of shape (n_records, n_objectives).

        Args:
            records: With a value for each objective.
        """
        objectives = self.facts.objectives
        names = [objective.si_name for objective in objectives]
        values = [[record.quantities[name].value for name in names] for record in records]
        factors = [objective.as_cost(objective.shown_from_si(1.0)) for objective in objectives]
        costs = np.array(values, dtype=np.float64).reshape(len(records), len(objectives))
        assert not np.isnan(costs).any(), "a feasible record has a value for every objective"
        return costs * np.array(factors, dtype=np.float64)

    def as_searched(self) -> Run:
        """Return the run with the values that the search saw, as if nothing was confirmed."""
        baseline = None if self.baseline is None else self.baseline.as_searched()
        trials = [replace(trial, record=trial.record.as_searched()) for trial in self.trials]
        return replace(self, baseline=baseline, trials=trials)

    def find(self, number: int) -> NumberedRecord | None:
        """Return the trial of this number, or None."""
        return next((trial for trial in self.trials if trial.number == number), None)
