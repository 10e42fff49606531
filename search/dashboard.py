"""What optuna-dashboard shows of a run, beside what Optuna is told of every trial.

::

    runs/coral/artifacts/
        <id>      a link to a model in the store; the study says which trial has which id

They are links because the store alone decides how long a file stays. A copy would take its room
twice; a hard link would outlive its eviction, and the store's limit would limit nothing. The files
of the front are pinned, so theirs lead somewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact

from search.feedback import constraints_of
from search.records import TrialRecord
from search.study_attributes import PROVENANCE
from spaces.objectives import Objective

_UNNAMED_CONSTRAINTS = "constraints"
"""Where Optuna kept a trial's constraints, as a list, before they had names. Optuna 5 still reads
it and counts it with the others; optuna-dashboard 0.21 reads nothing else."""


class Dashboard:
    """One run as optuna-dashboard shows it; told of each trial before its end is.

    Optuna takes nothing more for a trial that has ended.
    """

    def __init__(self, artifacts: Path) -> None:
        artifacts.mkdir(exist_ok=True)
        self._artifacts = _Links(artifacts)

    def show(
        self, trial: optuna.Trial, record: TrialRecord, objectives: Sequence[Objective]
    ) -> None:
        """Add feasibility, the provenance of each objective and, if possible, the model."""
        # One figure, the sum: TPE goes by the sum of all constraints, and twice it orders alike.
        overshoot = sum(value for value in constraints_of(record).values() if value > 0)
        trial.storage.set_trial_system_attr(
            trial._trial_id,  # noqa: SLF001  as Optuna's own upload_artifact does
            _UNNAMED_CONSTRAINTS,
            [overshoot],
        )
        quantities = {o.name: record.quantities.get(o.si_name) for o in objectives}
        provenance = {name: q.provenance for name, q in quantities.items() if q is not None}
        if provenance:
            trial.set_user_attr(PROVENANCE, provenance)
        if record.artifact is not None:
            self._offer(trial, record.artifact)

    def _offer(self, trial: optuna.Trial, path: str) -> None:
        with suppress(OSError):  # evicted by now; or the disk is full, which what is told next says
            upload_artifact(artifact_store=self._artifacts, file_path=path, study_or_trial=trial)


class _Links(FileSystemArtifactStore):
    """A folder of artifacts that are links."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Link to an open file; where the file system has no links, copy it."""
        try:
            (self._folder / artifact_id).symlink_to(content_body.name)
        except PermissionError:
            super().write(artifact_id, content_body)
