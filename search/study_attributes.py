"""What a study keeps beside Optuna's own numbers, and how a run is read back from it.

Everything is plain JSON in user attributes, so a storage alone is enough to show a run: no space
file, no workload and no engine is needed. Of a trial::

    record             what was measured when it was told
    provenance         of its objectives, for optuna-dashboard, which cuts a record off

Of the study; a record each has an attribute of its own, since some databases limit their length::

    run                what the whole run has in common
    baseline           the baseline's record
    canary             the baseline's later readings
    spreads            what repeats have taught of the difference between processes
    repeated:7         trial 7, measured again after the machine had drifted, and when
    confirmed:7        trial 7, measured again to confirm the front; confirmed:baseline
    peaks              what each engine reaches at each precision, by their two names
    confirmed          {"trials": 30, "numbers": [7, ...], "bounds": ...}: emptied first and written
                       last, so that half a confirmation never counts

A told trial can't change in Optuna. So the sampler goes on with what it was told, and people see
what was measured last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from evaluators.peak import Peak
from evaluators.spread import ProcessSpread
from search.bounds import judged
from search.drift import CanaryReading, drifted_stretches
from search.records import INTERRUPTED, Failure, NumberedRecord, Run, TrialRecord
from search.run_facts import Bounds, RunFacts

RECORD = "record"
PROVENANCE = "provenance"
RUN = "run"
BASELINE = "baseline"
_CANARY = "canary"
_SPREADS = "spreads"
_REPEATED = "repeated"
_CONFIRMED = "confirmed"
_PEAKS = "peaks"

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
    summary = _current_summary(attributes, len(trials)) if confirmed else {}
    newer = {name: attributes[f"{_CONFIRMED}:{name}"] for name in summary.get("numbers", [])}
    facts = RunFacts.from_json(attributes[RUN])
    measured = _as_measured_last(trials, attributes, newer, canary)
    if summary:
        bounds = {name: tuple(pair) for name, pair in summary["bounds"].items()}
        facts = replace(facts, bounds=bounds)  # those relative to the baseline moved along with it
        measured = [replace(trial, record=judged(trial.record, facts)) for trial in measured]
    baseline = newer.get(BASELINE) or attributes.get(BASELINE)
    return Run(
        facts,
        None if baseline is None else TrialRecord.from_json(baseline),
        measured,
        canary,
        {int(number): why for number, why in summary.get("lost", {}).items()},
        [Peak.from_json(peak) for peak in attributes.get(_PEAKS, {}).values()],
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


def keep_peak(study: Study, peak: Peak) -> None:
    """Write down what an engine reaches at a precision, in the place of what was kept before."""
    name = f"{peak.engine} {peak.precision}"
    study.set_user_attr(_PEAKS, {**study.user_attrs.get(_PEAKS, {}), name: peak.to_json()})


def keep_repeated(study: Study, number: int, record: TrialRecord, n_trials: int) -> None:
    """Write down a trial that was measured again, because the machine had drifted.

    Args:
        study: Where.
        number: The trial's.
        record: What was found.
        n_trials: How many trials had ended by then.
    """
    study.set_user_attr(f"{_REPEATED}:{number}", {"trials": n_trials, "record": record.to_json()})


def keep_confirmed(
    study: Study,
    n_trials: int,
    records: Mapping[int, TrialRecord],
    baseline: TrialRecord | None,
    *,
    bounds: Mapping[str, Bounds],
    lost: Mapping[int, str],
) -> None:
    """Write down what was confirmed, which counts until another trial ends.

    Args:
        study: Where.
        n_trials: How many trials had ended.
        records: By trial number.
        baseline: None where it couldn't be measured again.
        bounds: What the constraints come to with these numbers.
        lost: Trial number -> why it couldn't be measured again.
    """
    study.set_user_attr(_CONFIRMED, {})
    named = {str(number): record for number, record in records.items()}
    named |= {} if baseline is None else {BASELINE: baseline}
    for name, record in named.items():
        study.set_user_attr(f"{_CONFIRMED}:{name}", record.to_json())
    summary = {
        "trials": n_trials,
        "numbers": list(named),
        "bounds": dict(bounds),
        "lost": {str(number): why for number, why in lost.items()},
    }
    study.set_user_attr(_CONFIRMED, summary)


def _current_summary(attributes: Mapping[str, Any], n_trials: int) -> dict[str, Any]:
    """Return what says of a confirmation what it holds; nothing once another trial has ended."""
    summary: dict[str, Any] = attributes.get(_CONFIRMED, {})
    return summary if summary.get("trials") == n_trials else {}


def _as_measured_last(
    trials: Sequence[NumberedRecord],
    attributes: Mapping[str, Any],
    confirmed: Mapping[str, Any],
    canary: Sequence[CanaryReading],
) -> list[NumberedRecord]:
    """Return trials with what was measured later, flagged where the machine had drifted by then."""
    drift = {
        (board, position): stretch.flag
        for board in {reading.board for reading in canary}
        for stretch in drifted_stretches([r for r in canary if r.board == board], len(trials))
        for position in range(stretch.start, stretch.stop)
    }
    return [
        replace(trial, record=_newest(trial, position, attributes, confirmed, drift))
        for position, trial in enumerate(trials)
    ]


def _newest(
    trial: NumberedRecord,
    position: int,
    attributes: Mapping[str, Any],
    confirmed: Mapping[str, Any],
    drift: Mapping[tuple[str | None, int], str],
) -> TrialRecord:
    name = str(trial.number)
    if name in confirmed:
        return TrialRecord.from_json(confirmed[name])
    repeated, record = attributes.get(f"{_REPEATED}:{name}"), trial.record
    if repeated is not None:
        position, record = repeated["trials"], TrialRecord.from_json(repeated["record"])
    flag = drift.get((record.board, position))
    if flag is None or record.failure is not None:
        return record
    return replace(record, flags=[*record.flags, flag])


def _record_of(trial: FrozenTrial) -> NumberedRecord | None:
    if not trial.state.is_finished():
        return None
    kept = trial.user_attrs.get(RECORD)
    record = TrialRecord.from_json(kept) if kept else _interrupted(trial)
    return NumberedRecord(trial.number, _STATES[trial.state], record)


def _interrupted(trial: FrozenTrial) -> TrialRecord:
    failure = Failure(INTERRUPTED, "the run was killed while this trial was under way", None)
    return TrialRecord({"engine": "", **trial.params}, failure=failure)
