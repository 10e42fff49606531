from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from search.front import (
    ACCURACY_DROP_AT_REFERENCE,
    hypervolume,
    hypervolume_history,
    pareto_front,
    ties,
)
from search.records import Confirmation
from spaces.objectives import OBJECTIVES, Objective


def numbers(front):
    return [trial.number for trial in front]


def level(value, resolution):
    """Return which step of the resolution a value belongs to, counted from 1."""
    return round(math.log(value) / math.log(1 + resolution))


def brute_force_front(points):
    """Compare all pairs of (latency ms, memory MiB, accuracy), rounded to whole steps.

    Where several are equal the fastest stays, of equally fast ones the first.
    """
    levels = [
        (level(latency, 0.02), level(memory, 0.01), -accuracy)
        for latency, memory, accuracy in points
    ]
    fastest_first = sorted(range(len(points)), key=lambda n: points[n][0])

    def stays(n):
        for other in range(len(points)):
            if levels[other] == levels[n]:
                if fastest_first.index(other) < fastest_first.index(n):
                    return False
            elif all(a <= b for a, b in zip(levels[other], levels[n], strict=True)):
                return False
        return True

    return [n for n in fastest_first if stays(n)]


@pytest.mark.parametrize("seed", range(20))
def test_the_front_agrees_with_brute_force(build, seed):
    rng = np.random.default_rng(seed)
    points = []
    for _ in range(60):  # faster is larger, within a range so narrow that many round to the same
        latency_ms = float(rng.uniform(1, 1.2))
        memory_mib = 4.8 / latency_ms * float(rng.uniform(1, 1.05))
        points.append((latency_ms, memory_mib, float(rng.integers(90, 96)) / 100))
    found = numbers(pareto_front(build.run(*(build.record(*point) for point in points))))
    assert found == brute_force_front(points)
    assert 1 < len(found) < 60


def test_a_large_front_of_four_objectives_agrees_with_brute_force(build):
    rng = np.random.default_rng(0)
    shape = (1500, 4)
    points = np.exp(rng.normal(0, 0.1, shape))
    points[:, 3] = np.round(points[:, 3], 1)  # a score over few samples
    axes = build.objectives("latency_p90_ms", "peak_memory_mib", "power_w", "accuracy")
    records = [
        build.record(*map(float, (latency, memory, accuracy)), more={"power_w": float(power)})
        for latency, memory, power, accuracy in points
    ]
    levels = np.log(points) / np.log1p([0.02, 0.01, 0.05, 1])
    levels[:, 3] = -points[:, 3]
    levels[:, :3] = np.rint(levels[:, :3])
    fastest_first = np.argsort(points[:, 0], kind="stable")
    expected = []
    for place, number in enumerate(fastest_first):
        no_worse = (levels <= levels[number]).all(axis=1)
        equal = (levels == levels[number]).all(axis=1)
        earlier = equal[fastest_first[:place]].any()
        if not earlier and not (no_worse & ~equal).any():
            expected.append(int(number))
    found = numbers(pareto_front(build.run(*records, objectives=axes)))
    assert found == expected
    assert 20 < len(found) < 1500


def test_the_example_of_the_module_holds(build):
    axes = build.objectives("latency_p90_ms", "accuracy")
    a, b, c = (build.record(*v) for v in ((1.0, 4, 0.90), (2.0, 4, 0.95), (2.01, 4, 0.94)))
    assert numbers(pareto_front(build.run(a, b, c, objectives=axes))) == [0, 1]


def test_of_equal_trials_the_one_that_is_truly_faster_stays(build):
    assert numbers(pareto_front(build.run(build.record(1.004), build.record(1.001)))) == [1]
    assert numbers(pareto_front(build.run(build.record(1.0), build.record(1.0)))) == [0]


def test_every_difference_in_the_metric_counts(build):
    run = build.run(build.record(1.0, 4.0, 0.9500), build.record(1.1, 4.0, 0.9501))
    assert numbers(pareto_front(run)) == [0, 1]


def test_more_is_better_where_the_objective_says_so(build):
    axes = build.objectives("throughput_per_s", "accuracy")
    run = build.run(
        build.record(accuracy=0.95, more={"throughput_per_s": 100.0}),
        build.record(accuracy=0.93, more={"throughput_per_s": 300.0}),
        build.record(accuracy=0.92, more={"throughput_per_s": 200.0}),
        objectives=axes,
    )
    assert numbers(pareto_front(run)) == [1, 0]


def test_zero_is_a_value_like_any_other(build):
    run = build.run(build.record(accuracy=0.0), build.record(latency_ms=0.5, accuracy=0.0))
    assert numbers(pareto_front(run)) == [1]


def test_what_broke_a_bound_or_failed_is_not_on_the_front(build):
    run = build.run(
        build.record(0.1, violations={"accuracy": 0.5}),
        build.failed("rejected"),
        build.record(1.0, violations={"accuracy": 0.0}),
    )
    assert numbers(pareto_front(run)) == [2]
    assert pareto_front(build.run()) == []


def test_what_equals_a_member_after_rounding_is_tied_with_it(build):
    run = build.run(
        build.record(1.004, 4.0), build.record(1.0, 4.001), build.record(3.0), build.record(0.5, 5)
    )
    assert numbers(pareto_front(run)) == [3, 1]
    assert ties(run) == {1: (0,)}


def test_once_confirmed_only_confirmed_trials_are_members(build):
    again = Confirmation(3, {"latency_p90_s": 0.0009})
    run = build.run(build.record(1.0, confirmation=again), build.record(0.95))
    assert numbers(pareto_front(run)) == [0]
    assert numbers(pareto_front(build.run(build.record(1.0), build.record(0.95)))) == [1]


def test_a_cost_of_zero_has_a_finite_hypervolume(build):
    volume = hypervolume(build.run(build.record(0.5, 0.0), baseline=build.record(1.0, 4.0)))
    assert volume is not None
    assert math.isfinite(volume)


def union_of_boxes(corners, reference):
    """Return the volume between corners and reference by inclusion and exclusion."""
    total = 0.0
    for size in range(1, len(corners) + 1):
        for chosen in itertools.combinations(corners, size):
            edges = np.clip(reference - np.max(chosen, axis=0), 0, None)
            total -= (-1) ** size * float(np.prod(edges))
    return total


@pytest.mark.parametrize("seed", range(10))
def test_hypervolume_agrees_with_inclusion_and_exclusion(build, seed):
    rng = np.random.default_rng(seed)
    base = (2.0, 8.0, 0.95)
    points = rng.uniform((0.5, 4.0, 0.83), (2.5, 9.0, 0.97), size=(8, 3))
    ratios = np.log(points[:, :2] / base[:2])
    corners = np.column_stack([ratios, base[2] - points[:, 2]])
    reference = np.array([0.0, 0.0, 0.10])
    inside = corners[(corners < reference).all(axis=1)]
    run = build.run(
        *(build.record(*map(float, point)) for point in points), baseline=build.record(*base)
    )
    assert hypervolume(run) == pytest.approx(union_of_boxes(list(inside), reference))
    assert len(inside) > 0


def test_throughput_counts_as_a_log_ratio_too(build):
    axes = build.objectives("throughput_per_s", "accuracy")
    trial, base = (
        build.record(accuracy=accuracy, more={"throughput_per_s": per_s})
        for accuracy, per_s in ((0.90, 300.0), (0.95, 100.0))
    )
    volume = hypervolume(build.run(trial, baseline=base, objectives=axes))
    assert volume == pytest.approx(math.log(3) * (ACCURACY_DROP_AT_REFERENCE - 0.05))


def test_a_metric_that_should_fall_keeps_its_own_scale(build):
    error = Objective("accuracy", "minimize", "", "accuracy")
    axes = (OBJECTIVES["latency_p90_ms"], error)
    run = build.run(
        build.record(0.5, accuracy=0.06),
        baseline=build.record(1.0, accuracy=0.02),
        objectives=axes,
        metric=error,
    )
    assert hypervolume(run) == pytest.approx(math.log(2) * 0.06)


def test_a_trial_no_better_than_the_baseline_adds_nothing(build):
    base = build.record()
    assert hypervolume(build.run(base, baseline=base)) == 0.0
    assert hypervolume(build.run(baseline=base)) == 0.0


def test_infeasible_trials_add_nothing(build):
    fast = build.record(0.1, 0.4, violations={"power_w": 0.1})
    assert hypervolume(build.run(fast, build.failed("rejected"), baseline=build.record())) == 0.0


def test_without_a_baseline_there_is_no_hypervolume(build):
    assert hypervolume(build.run(build.record())) is None
    assert hypervolume(build.run(build.record(), baseline=build.failed("rejected"))) is None


def test_the_history_of_the_hypervolume_is_that_of_each_beginning(build):
    rng = np.random.default_rng(3)
    records = [
        build.record(
            *rng.uniform((0.1, 0.5, 0.84), (1.2, 5.0, 0.99)), violations={"x": n % 4 - 2.5}
        )
        for n in range(40)
    ]
    run = build.run(*records, baseline=build.record(1.0, 4.0, 0.95))
    expected = [hypervolume(replace(run, trials=run.trials[: n + 1])) for n in range(40)]
    assert hypervolume_history(run) == pytest.approx(expected)
    assert expected[0] < expected[-1]


def test_without_a_baseline_the_hypervolume_has_no_history(build):
    assert hypervolume_history(build.run(build.record())) == []
