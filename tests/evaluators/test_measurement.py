"""From what a measuring process sends to numbers with interval, method and provenance."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators.measurement import (
    PowerSource,
    Quantity,
    drop_quantity,
    quantities_of,
    score_quantity,
)

STAND_IN = "measured: on this machine's CPU (Xeon) instead of coral-usb"
NO_METER = PowerSource(None, None)


def answer(**changes):
    body = {
        "throughput_per_s": 500.0,
        "peak_memory_bytes": 3 * 2**20,
        "memory_method": "VmHWM",
        "idle_power_w": None,
        "energy": {"seconds": 2.0, "cpu_time_s": 1.0, "reading": None},
        "environment": {"cpu_count": 2},
        "device_memory": None,
    }
    return {**body, **changes}


def numbers(body=None, count=1000, power=NO_METER, provenance="measured"):
    timed_s = np.arange(1, count + 1) / 1e6
    return quantities_of(body or answer(), timed_s, power, provenance, 12345)


def test_memory_of_the_device_is_what_the_engine_tells_or_unavailable():
    told = numbers(answer(device_memory=[4096, "as the engine reports"]))["device_memory_bytes"]
    assert (told.value, told.method, told.provenance) == (4096, "as the engine reports", "measured")
    untold = numbers()["device_memory_bytes"]
    assert untold.value is None
    assert untold.provenance == "unavailable: the engine tells of none beside the host's"


def test_a_latency_is_the_empirical_percentile_with_its_interval_and_upper_bound():
    p90 = numbers()["latency_p90_s"]
    assert p90.value == pytest.approx(900e-6)
    assert p90.low < p90.value < p90.high
    assert p90.at_most == pytest.approx(923e-6)
    assert (p90.n, p90.unit, p90.method) == (1000, "s", "p90, single_stream")


def test_too_few_queries_for_a_percentile_leave_it_unavailable():
    found = numbers(count=100)
    assert found["latency_p90_s"].value is not None
    assert found["latency_p99_s"].value is None
    assert found["latency_p99_s"].provenance == (
        "unavailable: a p99 needs 662 queries, and 100 were taken"
    )


def test_everything_off_a_device_says_which():
    found = numbers(provenance=STAND_IN)
    measured = {"latency_p50_s", "latency_p90_s", "throughput_per_s", "peak_memory_bytes"}
    assert {found[name].provenance for name in measured} == {STAND_IN}
    assert found["model_size_bytes"].provenance == "measured"


def test_memory_says_how_it_was_obtained_or_why_it_was_not():
    assert numbers()["peak_memory_bytes"].method == "VmHWM over the process's own baseline"
    unknown = numbers(answer(peak_memory_bytes=None))["peak_memory_bytes"]
    assert (unknown.value, unknown.n) == (None, 0)
    assert unknown.provenance.startswith("unavailable: the kernel tells neither")


def test_without_meter_and_rated_power_there_is_no_power():
    found = numbers()
    for name in ("power_w", "energy_j"):
        assert found[name].value is None
        assert found[name].provenance.startswith("unavailable: no meter here")


def test_an_estimate_is_called_one_and_so_is_the_energy_from_it():
    found = numbers(power=PowerSource(None, 10.0))
    assert found["power_w"].value == pytest.approx(2.5)  # half of one of two CPUs
    assert found["energy_j"].value == pytest.approx(2.5 * 2.0 / 1000)
    for name in ("power_w", "energy_j"):
        assert found[name].provenance == ("estimated: share of CPU time x rated power of 10 W")


def test_a_meter_gives_joules_over_the_loop_and_notes_idle_power():
    reading = {"energy_j": 8.0, "seconds": 2.0, "readings": 41}
    energy = {"seconds": 2.0, "cpu_time_s": 1.0, "reading": reading}
    found = numbers(answer(energy=energy, idle_power_w=1.5), power=PowerSource("rapl", 10.0))
    assert found["power_w"].value == pytest.approx(4.0)
    assert (found["power_w"].provenance, found["power_w"].n) == ("measured", 41)
    assert "idle 1.5 W" in found["power_w"].method
    assert found["energy_j"].value == pytest.approx(8.0 / 1000)


def test_a_score_has_the_interval_of_its_samples():
    found = score_quantity([np.array([1.0] * 90 + [0.0] * 10)], "measured")
    assert (found.value, found.n) == (0.9, 100)
    assert found.low < 0.9 < found.high


def test_a_figure_of_the_whole_set_has_the_interval_of_its_resamples():
    figures = [np.array(0.5), np.linspace(0.4, 0.6, 201)]
    found = score_quantity(figures, "measured")
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.405, 0.595))


@pytest.mark.parametrize(("direction", "drop"), [("maximize", 0.02), ("minimize", -0.02)])
def test_a_drop_is_positive_where_the_metric_got_worse(direction, drop):
    reference, candidate = np.ones(100), np.ones(100)
    candidate[:2] = 0.0
    found = drop_quantity([candidate], [reference], direction, "measured")
    assert found.value == pytest.approx(drop)
    assert found.low < found.value < found.high
    assert "differs on 2 samples" in found.method


def test_a_drop_of_figures_pairs_their_resamples():
    reference = [np.array(0.50), np.linspace(0.4, 0.6, 200)]
    candidate = [np.array(0.49), np.linspace(0.39, 0.59, 200)[:150]]
    found = drop_quantity(candidate, reference, "maximize", "measured")
    assert found.value == pytest.approx(0.01)
    assert (found.low, found.high) == pytest.approx((0.01, 0.01))
    assert "150 resamples" in found.method


def test_a_quantity_survives_json():
    found = Quantity(1.0, "s", "p90", "measured", 0.9, 1.2, 64, 1.3)
    assert Quantity.from_json(found.to_json()) == found
