"""What Optuna is told: true values or none, and constraints on every trial.

============================================  =========================================
measured                                      COMPLETE, true values
measured, breaks a bound                      COMPLETE, true values, positive constraint
gated before it was trained                   PRUNED, positive constraint if a bound broke
crashed, hung, out of memory, refused         PRUNED, ``unbuildable`` = 10
device lost, link cut, the run killed         FAIL, which samplers ignore
============================================  =========================================

No sentinel value ever stands in for one that wasn't measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import optuna
from optuna.trial import TrialState

from search.bounds import UNBUILDABLE_OVERSHOOT
from search.records import TrialRecord
from search.study_attributes import RECORD
from spaces.objectives import Objective

UNBUILDABLE = "unbuildable"


def tell(
    study: optuna.Study,
    trial: optuna.Trial,
    record: TrialRecord,
    objectives: Sequence[Objective],
) -> None:
    """Keep the record, then tell the trial's end: killed in between, `finish` completes it."""
    for name, overshoot in constraints_of(record).items():
        trial.set_constraint(name, overshoot)
    trial.set_user_attr(RECORD, record.to_json())
    finish(study, trial.number, record, objectives)


def constraints_of(record: TrialRecord) -> dict[str, float]:
    """Return every constraint of a trial as a relative overshoot, positive where it is broken."""
    unbuildable = record.failure is not None and record.failure.is_unbuildable
    return {**record.violations, UNBUILDABLE: UNBUILDABLE_OVERSHOOT if unbuildable else 0.0}


def finish(
    study: optuna.Study, number: int, record: TrialRecord, objectives: Sequence[Objective]
) -> None:
    """Tell the end of a trial whose record is kept."""
    if record.failure is None:
        values = [record.shown(objective) for objective in objectives]
        assert all(value is not None and math.isfinite(value) for value in values)
        study.tell(number, [float(value) for value in values if value is not None])
    else:
        state = TrialState.FAIL if record.failure.is_transient else TrialState.PRUNED
        study.tell(number, state=state)
