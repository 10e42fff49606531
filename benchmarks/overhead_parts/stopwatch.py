"""Where a trial's time goes in the parent, by part, while the program's own loop runs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NamedTuple
from unittest.mock import patch


class Spent(NamedTuple):
    """Seconds on the wall, which other work on the machine lengthens, and of this process's CPU."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def plus(self, other: Spent) -> Spent:
        """Return both together."""
        return Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)


def _now() -> Spent:
    return Spent(time.perf_counter(), time.process_time())


@dataclass(slots=True)
class Stopwatch:
    """Seconds by part; a part inside another one isn't counted twice."""

    _spent: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    _under_way: list[str] = field(default_factory=list)
    _since: Spent = field(default_factory=_now)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as this part."""
        self._book()
        self._under_way.append(name)
        try:
            yield
        finally:
            self._book()
            self._under_way.pop()

    @contextmanager
    def watching(self, name: str, *functions: tuple[object, str]) -> Iterator[None]:
        """Count functions, each given by its owner and name there, as this part."""
        with ExitStack() as stack:
            for owner, attribute in functions:
                timed = self.timed(name, getattr(owner, attribute))
                stack.enter_context(patch.object(owner, attribute, timed))
            yield

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that counts as this part."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return timed

    def take(self, rest: str) -> dict[str, Spent]:
        """Return what was spent since the last call; what was in no part is ``rest``."""
        self._book()
        found = {name or rest: spent for name, spent in self._spent.items()}
        self._spent.clear()
        return found

    def _book(self) -> None:
        now, since = _now(), self._since
        passed = Spent(now.wall_s - since.wall_s, now.cpu_s - since.cpu_s)
        name = self._under_way[-1] if self._under_way else ""
        self._spent[name] = self._spent[name].plus(passed)
        self._since = now
