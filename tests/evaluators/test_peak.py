from __future__ import annotations

import pytest

from evaluators.measurement import Quantity, unavailable
from evaluators.peak import Peak, macs_per_s


def test_macs_over_seconds_with_the_interval_turned_around():
    latency = Quantity(0.5, "s", "p50", "measured", 0.25, 1.0, 11)
    found = macs_per_s(1000, latency, "counted")
    assert found == Quantity(2000.0, "1/s", "counted", "measured", 1000.0, 4000.0, 11)


def test_an_estimated_latency_has_no_interval_and_makes_an_estimate():
    found = macs_per_s(1000, Quantity(0.5, "s", "vela", "estimated: vela"), "counted")
    assert (found.value, found.low, found.high) == (2000.0, None, None)
    assert found.provenance == "estimated: vela"


def test_without_a_latency_there_is_none_and_the_reason_stays():
    found = macs_per_s(1000, unavailable("s", "nobody looked"), "counted")
    assert (found.value, found.provenance) == (None, "unavailable: nobody looked")


@pytest.mark.parametrize("quantity", [unavailable("1/s", "why"), Quantity(2.0, "1/s", "m", "p")])
def test_a_peak_survives_json(quantity):
    peak = Peak("onnxruntime", "int8", quantity, ["other work took 23 %"])
    assert Peak.from_json(peak.to_json()) == peak
