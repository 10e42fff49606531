from __future__ import annotations

import numpy as np
import pytest

from reports.knobs import FEWEST, explained_share, knobs


def by_name(run):
    return {knob.name: knob for knob in knobs(run)}


def share(values, groups):
    return explained_share(np.array(values, dtype=float), np.array(groups))


def test_what_decides_alone_explains_everything_and_what_does_nothing_nothing():
    assert share([1, 1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1]) == pytest.approx(1)
    assert share([1, 2, 1, 2, 1, 2, 1, 2], [0, 0, 0, 0, 1, 1, 1, 1]) == 0


def test_the_share_is_the_adjusted_r_squared_of_group_means():
    values = np.array([1.0, 2.0, 3.0, 2.5, 4.0, 5.5, 4.5, 7.0, 8.0, 6.0])
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    fitted = np.array([values[groups == group].mean() for group in groups])
    r2 = 1 - ((values - fitted) ** 2).sum() / ((values - values.mean()) ** 2).sum()
    assert explained_share(values, groups) == pytest.approx(1 - (1 - r2) * 9 / 7)


def test_noise_over_many_groups_isnt_taken_for_an_effect():
    rng = np.random.default_rng(0)
    shares = [explained_share(rng.normal(size=60), np.arange(60) % 12) for _ in range(200)]
    assert np.mean(shares) < 0.1


def test_too_few_trials_have_no_share():
    assert share([1, 2] * (FEWEST // 2 - 1), [0, 1] * (FEWEST // 2 - 1)) is None
    assert share(range(9), range(9)) is None
    assert share([], []) is None


def test_what_never_varies_has_a_share_of_nothing():
    assert share([3.0] * 9, [0, 1, 2] * 3) == 0


def test_the_most_important_parameter_comes_first_and_a_fixed_one_not_at_all(build):
    run = build.run(
        *(
            build.record(1.0 + speed, 4.0, 0.9 + 0.01 * speed, sparsity=0.5 * speed, epochs=n % 2)
            for n in range(12)
            for speed in (0, 1)
        )
    )
    found = knobs(run)
    assert [knob.name for knob in found] == ["sparsity", "distillation.epochs"]
    assert found[0].shares["latency_p90_ms"] == pytest.approx(1)
    assert found[1].shares["latency_p90_ms"] == 0
    assert found[0].count == 24


def test_effects_are_medians_with_their_spread_by_value(build):
    run = build.run(*(build.record(1.0 + n, sparsity=0.5 * (n >= 5)) for n in range(10)))
    low, high = by_name(run)["sparsity"].effects["latency_p90_ms"]
    assert (low.label, low.count, low.median) == ("0", 5, pytest.approx(3.0))
    assert (low.low, low.high) == pytest.approx((1.4, 4.6))
    assert (high.label, high.median) == ("0.5", pytest.approx(8.0))


def test_a_number_of_many_values_is_taken_in_fifths(build):
    run = build.run(*(build.record(1.0, sparsity=n / 20) for n in range(20)))
    effects = by_name(run)["sparsity"].effects["accuracy"]
    assert [effect.count for effect in effects] == [4] * 5
    assert effects[0].label == "0 to 0.15"
    assert effects[-1].label == "0.8 to 0.95"


def test_what_only_some_trials_have_is_judged_among_them(build):
    with_flag = [build.record(1.0 + n % 2, params={"openvino.fast": n % 2 == 0}) for n in range(8)]
    run = build.run(*with_flag, *(build.record(9.0) for _ in range(8)))
    knob = by_name(run)["openvino.fast"]
    assert knob.count == 8
    assert knob.shares["latency_p90_ms"] == pytest.approx(1)


def test_failed_trials_and_missing_numbers_count_for_nothing(build):
    run = build.run(*(build.failed() for _ in range(9)))
    assert knobs(run) == []
