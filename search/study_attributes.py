"""What a study keeps beside Optuna's own numbers, and how a run is read back from it.

Everything is plain JSON in user attributes, so a storage alone is enough to show a run: no space
file, no workload and no engine is needed. Of a trial::

    record             what was measured when it was told

Of the study; a record each has an attribute of its own, since some databases limit their length::

    run                what the whole run has in common
    baseline           the baseline's record
    canary             the baseline's later readings
    spreads            what repeats have taught of the difference between processes
    repeated:7         trial 7, measured again after the machine had drifted
    confirmed:7        trial 7, measured again to confirm the front; confirmed:baseline
    confirmed          {"trials": 30, "numbers": [7, ...]}: written last, when all of it is there

A told trial can't change in Optuna. So the sampler goes on with what it was told, and people see
what was measured last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from evaluators.spread import ProcessSpread
from search.drift import CanaryReading, drifted_stretches
from search.records import INTERRUPTED, Failure, NumberedRecord, Run, RunFacts, TrialRecord

RECORD = "record"
RUN = "run"
BASELINE = "baseline"
_CANARY = "canary"
_SPREADS = "spreads"
_REPEATED = "repeated"
_CONFIRMED = "confirmed"

_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def run_of_study(study: Study, *, confirmed: bool = True) -> Run:
    """Read a run from its study: each trial as it was measured last.

    Args:
        study: Where.
        confirmed: False leaves out what was confirmed, and shows what the search works with.
    """
    attributes = study.user_attrs
    trials = [found for trial in study.get_trials(deepcopy=False) if (found := _record_of(trial))]
    canary = [CanaryReading(**reading) for reading in attributes.get(_CANARY, [])]
    newer = _repeated(attributes) | (_confirmed(attributes, len(trials)) if confirmed else {})
    baseline = newer.get(BASELINE) or attributes.get(BASELINE)
    return Run(
        RunFacts.from_json(attributes[RUN]),
        None if baseline is None else TrialRecord.from_json(baseline),
        _as_measured_last(trials, newer, canary),
        canary,
    )


def keep_facts(study: Study, facts: RunFacts) -> None:
    """Write down what the run has in common."""
    study.set_user_attr(RUN, facts.to_json())


def kept_baseline(study: Study) -> TrialRecord | None:
    """Return the baseline as it was measured at the beginning, or None before that."""
    kept = study.user_attrs.get(BASELINE)
    return None if kept is None else TrialRecord.from_json(kept)


def keep_baseline(study: Study, record: TrialRecord) -> None:
    """Write down the baseline."""
    study.set_user_attr(BASELINE, record.to_json())


def keep_reading(study: Study, reading: CanaryReading) -> None:
    """Add one reading of the canary."""
    study.set_user_attr(_CANARY, [*study.user_attrs.get(_CANARY, []), asdict(reading)])


def kept_spreads(study: Study) -> dict[str, ProcessSpread]:
    """Return what earlier sessions have learned of the difference between processes."""
    kept = study.user_attrs.get(_SPREADS, {})
    return {name: ProcessSpread(**spread) for name, spread in kept.items()}


def keep_spreads(study: Study, spreads: Mapping[str, ProcessSpread]) -> None:
    """Write down what was learned of the difference between processes."""
    study.set_user_attr(_SPREADS, {name: asdict(spread) for name, spread in spreads.items()})


def keep_repeated(study: Study, number: int, record: TrialRecord) -> None:
    """Write down a trial that was measured again, because the machine had drifted."""
    study.set_user_attr(f"{_REPEATED}:{number}", record.to_json())


def keep_confirmed(
    study: Study, n_trials: int, records: Mapping[int, TrialRecord], baseline: TrialRecord | None
) -> None:
    """Write down what was confirmed, which counts until another trial ends.

    Args:
        study: Where.
        n_trials: How many trials had ended.
        records: By trial number.
        baseline: None where it has no numbers.
    """
    if baseline is not None:
        study.set_user_attr(f"{_CONFIRMED}:{BASELINE}", baseline.to_json())
    for number, record in records.items():
        study.set_user_attr(f"{_CONFIRMED}:{number}", record.to_json())
    summary = {"trials": n_trials, "numbers": list(records), "baseline": baseline is not None}
    study.set_user_attr(_CONFIRMED, summary)


def _repeated(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return trial number -> the record that replaces the first one."""
    start = f"{_REPEATED}:"
    return {name.removeprefix(start): k for name, k in attributes.items() if name.startswith(start)}


def _confirmed(attributes: Mapping[str, Any], n_trials: int) -> dict[str, Any]:
    """Return trial number, or ``baseline`` -> confirmed record; none once another trial ended."""
    summary = attributes.get(_CONFIRMED, {})
    if summary.get("trials") != n_trials:
        return {}
    names = [*map(str, summary["numbers"]), *([BASELINE] if summary["baseline"] else [])]
    return {name: attributes[f"{_CONFIRMED}:{name}"] for name in names}


def _as_measured_last(
    trials: Sequence[NumberedRecord], newer: Mapping[str, Any], canary: Sequence[CanaryReading]
) -> list[NumberedRecord]:
    """Return trials with what was measured later, and the others of a drifted stretch flagged."""
    drift = {
        position: stretch.flag
        for stretch in drifted_stretches(canary, len(trials))
        for position in range(stretch.start, stretch.stop)
    }
    found = []
    for position, trial in enumerate(trials):
        kept, record = newer.get(str(trial.number)), trial.record
        if kept is not None:
            record = TrialRecord.from_json(kept)
        elif position in drift and record.failure is None:
            record = replace(record, flags=[*record.flags, drift[position]])
        found.append(replace(trial, record=record))
    return found


def _record_of(trial: FrozenTrial) -> NumberedRecord | None:
    if not trial.state.is_finished():
        return None
    kept = trial.user_attrs.get(RECORD)
    record = TrialRecord.from_json(kept) if kept else _interrupted(trial)
    return NumberedRecord(trial.number, _STATES[trial.state], record)


def _interrupted(trial: FrozenTrial) -> TrialRecord:
    failure = Failure(INTERRUPTED, "the run was killed while this trial was under way", None)
    return TrialRecord({"engine": "", **trial.params}, failure=failure)
