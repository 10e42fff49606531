from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.candidate import Candidate
from search.policy.gains import Gains
from search.policy.known import KnownTrials


@pytest.fixture
def run(build):
    """Return a run whose baseline takes 1 ms and 4 MiB at 0.95."""

    def make(*records, **changes):
        return build.run(*records, baseline=build.record(1.0, 4.0, 0.95), **changes)

    return make


def known(run):
    return KnownTrials().of(
        run, dict.fromkeys(range(len(run.trials)), Candidate("openvino", "int8"))
    )


def monte_carlo(points, reference, n=400_000):
    """Return the dominated volume of a box from the best corner to the reference."""
    rng = np.random.default_rng(0)
    low = np.min(points, 0)
    draws = rng.uniform(low, reference, (n, len(reference)))
    inside = np.zeros(n, dtype=bool)
    for point in points:
        inside |= (draws >= point).all(1)
    return inside.mean() * np.prod(reference - low)


def test_gains_add_up_to_the_volume_that_is_dominated(build, run):
    points = [(0.5, 4.0, 0.95), (1.0, 2.0, 0.93), (0.7, 3.0, 0.96), (0.9, 3.9, 0.92)]
    gains = Gains.of(run(), ())
    costs = [np.array([math.log(a), math.log(b), -c]) for a, b, c in points]
    total = sum(gains.add(each) for each in costs)
    expected = monte_carlo(np.array(costs) - gains.origin, gains.reference)
    assert total == pytest.approx(expected, rel=0.02)
    whole = run(*(build.record(*p) for p in points))
    again = Gains.of(whole, known(whole))
    assert sorted(map(tuple, again.points)) == sorted(map(tuple, gains.points))


def test_what_a_trial_dominates_adds_nothing(build, run):
    found = run(build.record(0.5, 3.0, 0.95))
    gains = Gains.of(found, known(found))
    assert gains.of_point(np.array([math.log(0.6), math.log(3.0), -0.95])) == 0
    assert gains.of_point(np.array([math.log(0.4), math.log(3.0), -0.95])) > 0


def test_a_little_worse_than_the_baseline_in_one_objective_is_worth_something(run):
    gains = Gains.of(run(), ())
    assert gains.of_point(np.array([math.log(0.5), math.log(4.2), -0.95])) > 0
    assert gains.of_point(np.array([math.log(0.5), math.log(4.6), -0.95])) == 0


def test_what_breaks_a_bound_counts_for_nothing(build, run):
    found = run(build.record(0.5, 2.0, 0.95, violations={"accuracy": 0.1}))
    assert len(Gains.of(found, known(found)).points) == 0


def test_only_what_nothing_dominates_inside_the_corner_would_gain(build, run):
    found = run(build.record(0.5, 3.0, 0.95))
    gains = Gains.of(found, known(found))
    points = [(0.6, 3.0, -0.95), (0.4, 3.0, -0.95), (0.5, 4.6, -0.95), (0.5, 3.0, -0.96)]
    costs = np.array([[math.log(a), math.log(b), c] for a, b, c in points])
    assert gains.is_gain(costs).tolist() == [False, True, False, True]
    assert [gains.of_point(each) > 0 for each in costs] == gains.is_gain(costs).tolist()
