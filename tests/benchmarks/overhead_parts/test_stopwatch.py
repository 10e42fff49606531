from __future__ import annotations

import pytest

from benchmarks.overhead_parts import stopwatch
from benchmarks.overhead_parts.stopwatch import Spent, Stopwatch


class Clock:
    """Two clocks that go on when told: the CPU works for half of the time."""

    now_s = 0.0

    def perf_counter(self):
        return self.now_s

    def process_time(self):
        return self.now_s / 2


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


def pass_s(clock, seconds):
    clock.now_s += seconds


def test_a_part_inside_another_is_not_counted_twice(clock):
    watch = Stopwatch()
    pass_s(clock, 1)
    with watch.part("outer"):
        pass_s(clock, 2)
        with watch.part("inner"):
            pass_s(clock, 4)
        pass_s(clock, 8)
    pass_s(clock, 16)
    assert watch.take("rest") == {
        "rest": Spent(17, 8.5),
        "outer": Spent(10, 5),
        "inner": Spent(4, 2),
    }
    pass_s(clock, 32)
    assert watch.take("rest") == {"rest": Spent(32, 16)}


def test_functions_are_watched_wherever_they_are_called_until_the_end(clock):
    class Owner:
        def work(self, seconds):
            pass_s(clock, seconds)
            return seconds

    watch, work = Stopwatch(), Owner.work
    with watch.watching("work", (Owner, "work")):
        assert Owner().work(3) == 3
    assert Owner.work is work
    Owner().work(5)
    assert watch.take("rest") == {"rest": Spent(5, 2.5), "work": Spent(3, 1.5)}


def test_a_part_that_fails_ends(clock):
    def fail():
        pass_s(clock, 1)
        raise ValueError("broken")

    watch = Stopwatch()
    with pytest.raises(ValueError, match="broken"):
        watch.timed("part", fail)()
    pass_s(clock, 2)
    assert watch.take("rest") == {"part": Spent(1, 0.5), "rest": Spent(2, 1)}
