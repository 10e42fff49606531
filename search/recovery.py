"""What a killed run leaves behind, put right: no trial stays RUNNING, none is lost or doubled."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from search import feedback
from search.plan import Plan
from search.records import TrialRecord
from search.study_attributes import RECORD


def settle_interrupted(study: optuna.Study, plan: Plan) -> None:
    """Finish RUNNING trials whose record is kept, and queue what the others were to run.

    Failing comes before queueing: killed in between, a suggestion is lost and nothing else; the
    other way round it would run twice.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        kept = trial.user_attrs.get(RECORD)
        if kept is not None:
            feedback.finish(study, trial.number, TrialRecord.from_json(kept), plan.objectives)
            continue
        study.tell(trial.number, state=TrialState.FAIL)
        params = _intended_params(trial, plan)
        if params is not None:
            study.enqueue_trial(params)


def _intended_params(trial: FrozenTrial, plan: Plan) -> dict[str, Any] | None:
    """Return what a trial was to run, or None if it was killed before that was decided."""
    queued = trial.system_attrs.get("fixed_params", {})  # Optuna's own name for what was enqueued
    params: dict[str, Any] = {**queued, **trial.params}
    try:
        plan.parameters.candidate_of(params)
    except KeyError:
        return None
    return params
