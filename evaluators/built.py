"""What a candidate becomes: built, with the file that would be shipped, then measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluators.candidate import Candidate
from evaluators.measurement import Quantity, is_timed
from evaluators.store_entry import Entry


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate with the file that would be shipped.

    Attributes:
        compiled: What the compile stage left.
        facts: What earlier stages reported, plain data.
        figures: What the compiler told, by SI name.
    """

    candidate: Candidate
    compiled: Entry
    facts: dict[str, Any]
    figures: Mapping[str, Quantity] = field(default_factory=dict)

    @property
    def artifact(self) -> Path:
        """Path of the file to ship."""
        return self.compiled.path / str(self.compiled.facts["artifact"])

    @property
    def artifact_sha256(self) -> str:
        """SHA-256 of the file to ship."""
        return self.compiled.files[self.artifact.name]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one fresh process saw of an artifact.

    Attributes:
        quantities: SI name -> number, intervals from inside this process alone; the metric under
            its own name, how much worse it is than the float32 model's under ``<metric>_drop``, and
            both with ``test_`` before them where the test split was asked for.
        flags: What disturbed the measurement, in words; empty where nothing did.
        facts: Environment, samples and what else the process reported, plain data.
    """

    quantities: dict[str, Quantity]
    flags: list[str]
    facts: dict[str, Any]

    @property
    def is_timed(self) -> bool:
        """Say whether anything was timed; else another process would find the same numbers."""
        return is_timed(self.quantities)
