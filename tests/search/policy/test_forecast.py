from __future__ import annotations

import math

import numpy as np
import pytest

from search.policy.forecast import fit_forecast
from spaces.dimensions import Choice, Fixed, Range

DIMENSIONS = {
    "sparsity": Range(0.0, 0.8, 0.1),
    "threads": Choice((1, 2, 4), is_ordered=True),
    "engine": Choice(("a", "b")),
    "a.spin": Choice((True, False)),
    "seen.by.nobody": Fixed(1),
}


def log_latency(params):
    spin = 0.3 if params.get("a.spin") else 0.0
    return (
        math.log(1 - params["sparsity"])
        + {"a": 0.0, "b": 0.5}[params["engine"]]
        - 0.2 * math.log2(params["threads"])
        + spin
    )


def point(sparsity, threads, engine, spin=None):
    params = {"sparsity": sparsity, "threads": threads, "engine": engine, "seen.by.nobody": 1}
    return params if engine == "b" else {**params, "a.spin": bool(spin)}


def drawn(count, seed):
    rng = np.random.default_rng(seed)
    return [
        point(
            round(0.1 * int(rng.integers(0, 9)), 1),
            int(rng.choice((1, 2, 4))),
            str(rng.choice(("a", "b"))),
            bool(rng.integers(0, 2)),
        )
        for _ in range(count)
    ]


def targets(params):
    return np.array([[log_latency(each), 7.0] for each in params])


def test_it_carries_what_a_flag_does_over_to_other_models():
    seen, unseen = drawn(40, seed=1), drawn(60, seed=2)
    mean, spread = fit_forecast(DIMENSIONS, seen, targets(seen)).predict(unseen)
    errors = np.abs(mean[:, 0] - targets(unseen)[:, 0])
    assert np.median(errors) < 0.03
    guessing = np.abs(targets(unseen)[:, 0] - targets(seen)[:, 0].mean())
    assert errors.mean() < 0.15 * guessing.mean()
    assert (errors < 4 * spread[:, 0]).mean() > 0.9


def test_a_target_that_never_varies_is_forecast_as_it_is():
    seen = drawn(10, seed=3)
    mean, _ = fit_forecast(DIMENSIONS, seen, targets(seen)).predict(drawn(5, seed=4))
    assert mean[:, 1] == pytest.approx(7.0)


def test_what_lies_far_from_everything_is_uncertain():
    seen = [point(s, 1, "b") for s in (0.0, 0.1, 0.2)]
    _, spread = fit_forecast(DIMENSIONS, seen, targets(seen)).predict(
        [point(0.1, 1, "b"), point(0.8, 4, "a")]
    )
    assert spread[1, 0] > 2 * spread[0, 0]


def test_one_observation_is_enough():
    seen = [point(0.2, 1, "a")]
    mean, _ = fit_forecast(DIMENSIONS, seen, targets(seen)).predict(seen)
    assert mean[0, 0] == pytest.approx(log_latency(seen[0]))
