"""What can be drawn of a run: its trials and its baseline, each with its outcome and its text."""

from __future__ import annotations

from dataclasses import dataclass

from reports.cells import cell, param_text, printable, title
from reports.looks import BASELINE, LOOKS, look_of
from reports.outcomes import outcomes, why_not
from search.records import NumberedRecord, Run, TrialRecord


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial, or the baseline.

    Attributes:
        row: Its position among the candidates of a run, by which the page knows it.
        trial: None for the baseline.
        outcome: A key of `reports.looks.LOOKS`.
        lines: What pointing at it shows, as plain text.
    """

    row: int
    trial: NumberedRecord | None
    record: TrialRecord
    outcome: str
    lines: tuple[str, ...]

    @property
    def is_exportable(self) -> bool:
        """Say whether there is a model file behind it that was measured."""
        record = self.record
        return (
            self.trial is not None and record.failure is None and record.artifact_sha256 is not None
        )


def candidates(run: Run) -> list[Candidate]:
    """Return every trial in order, then the baseline where there is one."""
    found = outcomes(run)
    texts: dict[tuple[str, object], str] = {}
    listed = []
    for row, trial in enumerate(run.trials):
        outcome = found[trial.number]
        look = look_of(outcome)
        lines = [f"trial {trial.number}, {LOOKS[look].legend}", *_numbers(run, trial.record)]
        if trial.record.failure is not None:
            lines.append(why_not(run, trial, outcome))
        lines += _params(trial.record, texts)
        listed.append(Candidate(row, trial, trial.record, look, tuple(lines)))
    if run.baseline is not None:
        lines = [BASELINE, *_numbers(run, run.baseline), *_params(run.baseline, texts)]
        listed.append(Candidate(len(listed), None, run.baseline, BASELINE, tuple(lines)))
    return listed


def _numbers(run: Run, record: TrialRecord) -> list[str]:
    lines = []
    for objective in run.facts.objectives:
        if objective.si_name in record.quantities:
            found = cell(run, record, objective)
            value = f"{found.marked} {objective.unit}".strip()
            beside = f" ({found.comparison})" if found.comparison else ""
            lines.append(f"{title(objective)}: {value}{beside}")
    return lines


def _params(record: TrialRecord, texts: dict[tuple[str, object], str]) -> list[str]:
    """Return a line for each parameter; ``texts`` keeps those made before, as most are repeated."""
    lines = []
    for key in record.params.items():
        if key not in texts:
            texts[key] = f"{printable(key[0])}: {param_text(key[1])}"
        lines.append(texts[key])
    return lines
