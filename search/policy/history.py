"""How each arm has done: what it promised, what it brought, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from search.policy.gains import Gains
from search.policy.known import Known
from search.policy.proposals import Arm, Proposal
from search.records import Run, TrialRecord

_WINDOW = 60
"""Trials; what came earlier says little about what is left to gain."""
_MEMORY = 0.85
"""What a trial of an arm counts for once another one has followed it."""
_MOST_KEPT_BEFORE = 0.02
"""Hypervolume that an arm has promised and kept before its first trial, at most."""
_KEPT_BEFORE = 2.0
"""Of promises as large as its own; late in a search, when all are small, that is what counts.

Otherwise an arm that promised 0.003 each time and brought nothing would be believed by half.
"""
_LEAST_TRUST = 0.05


def origin_of(proposal: Proposal | None) -> dict[str, Any]:
    """Return what a record keeps of how its trial came to be: arm, parent and promised gain."""
    if proposal is None:
        return {"arm": "sampled", "parent": None, "gain": None}
    return {"arm": proposal.arm, "parent": proposal.parent, "gain": proposal.gain}


@dataclass(slots=True)
class _Past:
    trials: float = 0.0
    promised: float = 0.0
    brought: float = 0.0
    recent_s: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class ArmHistory:
    """The arms' past over the newest trials."""

    _arms: dict[str, _Past] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, known: Sequence[Known]) -> Self:
        """Return the past of a run with a baseline, of which some trials have numbers."""
        window = {trial.number: trial.record for trial in run.trials[-_WINDOW:]}
        gains = Gains.of(run, (each for each in known if each.trial.number not in window))
        costs = {each.trial.number: each.costs for each in known if each.trial.number in window}
        history = cls()
        for number, record in window.items():
            history._add(record, gains.add(costs[number]) if record.is_feasible else 0.0)
        return history

    def trust(self, arm: Arm) -> float:
        """Return what the arm has brought over what it promised."""
        past = self._arms.get(arm, _Past())
        if not past.promised:
            return 1.0
        before = min(_MOST_KEPT_BEFORE, _KEPT_BEFORE * past.promised / past.trials)
        return float(np.clip((past.brought + before) / (past.promised + before), _LEAST_TRUST, 1.0))

    def rate(self, arm: Arm) -> float:
        """Return the hypervolume that a second in the arm has brought; 0 before its first trial."""
        past = self._arms.get(arm, _Past())
        return past.brought / past.recent_s if past.recent_s else 0.0

    def share_of_time(self, arm: Arm) -> float:
        """Return the arm's share of the time of all."""
        total = sum(past.seconds for past in self._arms.values())
        return self._arms.get(arm, _Past()).seconds / total if total else 0.0

    def _add(self, record: TrialRecord, gained: float) -> None:
        origin = record.origin
        if not origin:  # one of the first trials, which nobody chose
            return
        past = self._arms.setdefault(origin["arm"], _Past())
        past.trials = _MEMORY * past.trials + 1
        past.promised = _MEMORY * past.promised + (origin["gain"] or 0.0)
        past.brought = _MEMORY * past.brought + gained
        seconds = sum(record.stage_seconds.values())
        past.recent_s = _MEMORY * past.recent_s + seconds
        past.seconds += seconds
