"""Virtual time: recorded seconds of what isn't done, and CPU seconds of what is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class VirtualClock:
    """Goes on by what is spent on it, and by the CPU time that the search itself takes.

    Wall time would hold whatever else this machine does meanwhile.

    Attributes:
        real_s: A clock that only the search moves; tests pass a fake one.
        spent_s: Recorded seconds so far, by stage.
    """

    real_s: Callable[[], float] = time.process_time
    spent_s: dict[str, float] = field(default_factory=dict)
    _start_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._start_s = self.real_s()

    def now_s(self) -> float:
        """Return virtual seconds since the clock was made."""
        return self.search_s() + sum(self.spent_s.values())

    def by_stage_s(self) -> dict[str, float]:
        """Return where the time went: each stage, and the search itself."""
        return {**self.spent_s, "search": self.search_s()}

    def search_s(self) -> float:
        """Return the seconds that the search itself has taken."""
        return self.real_s() - self._start_s

    def spend(self, stage: str, seconds: float) -> None:
        """Let a stage take its time."""
        self.spent_s[stage] = self.spent_s.get(stage, 0.0) + seconds
