from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evaluators.measurement import Quantity, unavailable
from evaluators.spread import (
    PRIOR_DEGREES,
    PRIOR_STD,
    ProcessSpread,
    learn,
    median_of,
    with_more_samples,
    with_prediction,
)

NAME = "latency_p50_s"


def latency(value, low=None, high=None, provenance="measured"):
    return Quantity(value, "s", "p50, single_stream", provenance, low, high, 100)


def numbers(*values):
    return [{NAME: latency(value)} for value in values]


def test_the_example_of_the_class_holds():
    spread = ProcessSpread().with_repeats([1.0, 1.02])
    assert spread.squares == pytest.approx(2 * 0.0099**2, rel=1e-3)
    assert spread.degrees == 1


def test_an_estimate_that_is_always_the_same_teaches_nothing():
    always = [{NAME: latency(1.0, provenance="estimated: vela")} for _ in range(9)]
    assert learn({}, always) == learn({}, [])


def test_one_value_says_nothing_and_two_artifacts_each_have_their_own_mean():
    assert ProcessSpread().with_repeats([1.0]) == ProcessSpread()
    spread = ProcessSpread().with_repeats([1.0, 1.0]).with_repeats([5.0, 5.0, 5.0])
    assert spread.squares == pytest.approx(0.0, abs=1e-20)
    assert spread.degrees == 3


def test_the_interval_is_students_with_prior_and_repeats_pooled():
    spread = ProcessSpread(squares=0.0008, degrees=6)
    std = math.sqrt((PRIOR_DEGREES * PRIOR_STD[NAME] ** 2 + 0.0008) / (PRIOR_DEGREES + 6))
    expected = stats.t.ppf(0.975, PRIOR_DEGREES + 6) * std * math.sqrt(2)
    assert spread.half_width(NAME, 1) == pytest.approx(expected)


@pytest.mark.parametrize("processes", [3, 5, 9])
def test_a_median_of_several_processes_varies_as_simulation_says(processes):
    draws = np.random.default_rng(0).normal(size=(200_000, processes))
    simulated = np.median(draws, axis=1).var()
    widths = [ProcessSpread(1.0, 1000).half_width(NAME, n) for n in (1, processes)]
    assert (widths[1] / widths[0]) ** 2 * 2 - 1 == pytest.approx(simulated, abs=0.01)


@pytest.mark.parametrize("std", [0.005, 0.02, 0.05])
def test_nine_in_ten_later_processes_or_more_lie_inside_the_interval(std):
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        draws = np.exp(rng.normal(0, std, 12))
        spread = ProcessSpread()
        for _ in range(3):  # the baseline at the beginning, and twice again
            spread = spread.with_repeats(np.exp(rng.normal(0, std, 3)))
        found = with_prediction({NAME: latency(float(draws[0]))}, {NAME: spread})[NAME]
        covered.append(((draws[1:] >= found.low) & (draws[1:] <= found.high)).mean())
    assert np.mean(covered) >= 0.90


def test_the_spread_inside_one_process_adds_up_as_variances_do():
    wide = with_prediction({NAME: latency(1.0, 1 / 1.2, 1.2)}, {})[NAME]
    between = ProcessSpread().half_width(NAME, 1)
    expected = math.hypot(between, math.sqrt(2) * math.log(1.2))
    assert wide.high == pytest.approx(math.exp(expected))
    assert wide.low == pytest.approx(math.exp(-expected))


def test_what_does_not_vary_or_is_not_known_stays_as_it_is():
    size = Quantity(1000, "B", "bytes on disk", "measured")
    found = {"model_size_bytes": size, "power_w": unavailable("W", "no meter here")}
    assert with_prediction(found, {}) == found


def test_repeats_teach_every_quantity_that_varies():
    learned = learn({NAME: ProcessSpread(0.1, 2)}, numbers(1.0, 1.1, 0.9))
    assert learned[NAME].degrees == 4
    assert learned[NAME].squares > 0.1
    assert learned["power_w"] == ProcessSpread()


def test_the_median_of_processes_counts_all_their_samples():
    found = median_of(numbers(3.0, 1.0, 2.0))[NAME]
    assert (found.value, found.n) == (2.0, 300)
    assert found.method == "p50, single_stream, median of 3"


def test_what_only_one_process_was_asked_for_is_its_own():
    repeats = [{**numbers(1.0)[0], "accuracy": Quantity(0.9, "1", "mean", "measured")}]
    found = median_of([*repeats, *numbers(2.0)])
    assert found["accuracy"].value == 0.9
    assert found[NAME].value == 1.5


def test_an_interval_moves_along_with_the_median():
    repeats = [{NAME: latency(1.0, 0.9, 1.1)}, {NAME: latency(2.0, 1.9, 2.3)}]
    found = median_of(repeats)[NAME]
    assert (found.value, found.low, found.high) == pytest.approx((1.5, 1.4, 1.8))


def test_the_median_of_nothing_known_is_unavailable():
    lacking = {"power_w": unavailable("W", "no meter here")}
    assert median_of([lacking, lacking])["power_w"] == lacking["power_w"]


def test_more_samples_of_an_artifact_are_weighed_by_processes():
    before = {
        "latency_p90_s": Quantity(1.0, "s", "p90", "measured", 0.8, 1.2, n=200, at_most=1.4),
        "accuracy": Quantity(0.9, "1", "mean", "measured"),
    }
    newer = {
        "latency_p90_s": Quantity(4.0, "s", "p90", "measured", 3.9, 4.2, n=100, at_most=1.3),
        "accuracy": Quantity(0.8, "1", "mean", "measured"),
        "power_w": unavailable("W", "no meter"),
    }
    found = with_more_samples(before, 2, newer)
    latency = found["latency_p90_s"]
    assert (latency.value, latency.n, latency.at_most) == (2.0, 300, 1.4)
    assert (latency.low, latency.high) == (pytest.approx(1.9), pytest.approx(2.2))
    assert found["accuracy"].value == 0.8
    assert found["power_w"] == newer["power_w"]
