"""Where a candidate's time goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from evaluators.failures import EvaluationFailure

StageObserver = Callable[[str], None]


@dataclass(slots=True)
class StageClock:
    """Seconds by stage, and which stages were found in the store."""

    observe: StageObserver
    seconds: dict[str, float] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage, and name it in whatever failure leaves it."""
        self.observe(name)
        start = time.monotonic()
        try:
            yield
        except EvaluationFailure as failure:
            failure.stage = failure.stage or name
            raise
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start
