"""What a stage costs on a machine that other work may share."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stopwatch:
    """CPU and wall seconds by stage.

    CPU seconds are those of this process and of the children that ended meanwhile: other work
    doesn't lengthen them, as it does wall seconds; threads that spin do.
    """

    cpu_s: dict[str, float] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage."""
        cpu_s, wall_s = _cpu_s(), time.perf_counter()
        try:
            yield
        finally:
            self.cpu_s[name] = round(_cpu_s() - cpu_s, 4)
            self.wall_s[name] = round(time.perf_counter() - wall_s, 4)

    def take_over(self, name: str, other: Stopwatch) -> None:
        """Count a stage that was timed before, because it is done once for many."""
        self.cpu_s[name], self.wall_s[name] = other.cpu_s[name], other.wall_s[name]

    def to_json(self) -> dict[str, list[float]]:
        """Return stage -> CPU and wall seconds."""
        return {name: [self.cpu_s[name], self.wall_s[name]] for name in self.cpu_s}


def cost_s(cpu_s: float, wall_s: float) -> float:
    """Return what a stage would take on a quiet machine, as near as can be told.

    Wall seconds where threads work side by side, CPU seconds where one thread had to wait for
    others' work: the smaller of the two.
    """
    return min(cpu_s, wall_s)


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
