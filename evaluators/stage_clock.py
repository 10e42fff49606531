"""Where a candidate's time goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from evaluators.failures import EvaluationFailure

StageObserver = Callable[[str], None]


@dataclass(slots=True)
class StageClock:
    """Seconds by stage, and which stages were found in the store."""

    observe: StageObserver
    seconds: dict[str, float] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    _waited_s: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage, and name it in whatever failure leaves it."""
        self.observe(name)
        start = time.monotonic() - self._waited_s
        try:
            yield
        except EvaluationFailure as failure:
            failure.stage = failure.stage or name
            raise
        finally:
            spent_s = time.monotonic() - self._waited_s - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent_s

    @contextmanager
    def turn(self, lock: AbstractContextManager[Any]) -> Iterator[None]:
        """Hold what another candidate may hold as well: waiting for it isn't the stage's time."""
        start = time.monotonic()
        with lock:
            self._waited_s += time.monotonic() - start
            yield
