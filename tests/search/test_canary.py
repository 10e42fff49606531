from __future__ import annotations

import pytest

from evaluators.bench import Measured
from evaluators.failures import DeviceLost
from evaluators.measurement import Quantity
from search.canary import Canary


class FakeEvaluator:
    """Times the baseline as often as there are values; an exception is raised."""

    def __init__(self, *values_ms):
        self.values_ms = list(values_ms)
        self.learned = []

    def build(self, candidate, _label):
        return candidate

    def measure_again(self, _built, _label):
        value = self.values_ms.pop(0)
        if isinstance(value, Exception):
            raise value
        latency = Quantity(value / 1e3, "s", "p50", "measured")
        return Measured({"latency_p50_s": latency}, [], {})

    def learn(self, repeats):
        self.learned.append([r.quantities["latency_p50_s"].value for r in repeats])


class FakeClock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def canary(*values_ms, clock=None):
    return Canary(FakeEvaluator(*values_ms), "baseline", 0.001, 60.0, clock or FakeClock())


def test_it_is_due_once_the_interval_has_passed_since_the_last_reading():
    clock = FakeClock()
    found = canary(1.0, 1.0, clock=clock)
    assert not found.is_due
    clock.now_s += 60.0
    assert found.is_due
    found.read(3)
    assert not found.is_due


def test_a_reading_is_the_ratio_to_the_beginning():
    reading = canary(1.02).read(7)
    assert (reading.trials, reading.at_s) == (7, 100.0)
    assert reading.ratio == pytest.approx(1.02)


def test_one_process_that_lies_badly_is_no_drift():
    found = canary(1.2, 1.01)
    assert not found.read(3).has_drifted
    assert found.evaluator.values_ms == []


def test_a_drift_is_one_if_it_is_seen_twice_and_the_smaller_counts():
    assert canary(1.2, 1.1).read(3).ratio == pytest.approx(1.1)


def test_quiet_readings_teach_how_neighbours_differ_and_drifted_ones_do_not():
    found = canary(1.0, 1.01, 1.3, 1.3, 1.02)
    for trials in range(4):
        found.read(trials)
    pairs = [pytest.approx(pair) for pair in ([0.001], [0.001, 0.00101], [0.00101, 0.00102])]
    assert found.evaluator.learned == pairs


def test_a_baseline_that_cannot_be_timed_any_more_is_no_reading():
    assert canary(DeviceLost("unplugged")).read(3) is None
    assert canary(1.2, DeviceLost("unplugged")).read(3).ratio == pytest.approx(1.2)
