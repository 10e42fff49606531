"""Which points are measured again."""

from __future__ import annotations

import numpy as np

from search.confirmation import points_to_confirm


def numbers(trials):
    return [trial.number for trial in trials]


def test_members_come_first_and_then_what_was_nearly_one(build):
    run = build.run(
        build.record(1.0, 4.0, 0.95),
        build.record(0.5, 8.0, 0.94),
        build.record(1.03, 4.0, 0.95),  # 1.5 resolutions slower
        build.record(1.0, 4.04, 0.945),  # 1 resolution larger, half a point less accurate
        build.record(1.0, 4.2, 0.95),  # 5 resolutions larger
        build.record(1.5, 4.0, 0.95),
        build.record(0.1, 1.0, 0.5, violations={"accuracy": 0.4}),
    )
    assert numbers(points_to_confirm(run)) == [1, 0, 3, 2]


def test_never_more_than_twelve_and_the_widest_are_kept(build):
    rng = np.random.default_rng(0)
    speeds = np.sort(rng.uniform(1, 10, 30))
    records = [build.record(float(v), float(40 / v), 0.9) for v in speeds]
    chosen = points_to_confirm(build.run(*records))
    assert len(chosen) == 12
    assert {0, 29} <= set(numbers(chosen))
    assert numbers(points_to_confirm(build.run(*records), most=2)) == [0, 29]


def test_nothing_on_the_front_is_nothing_to_confirm(build):
    assert points_to_confirm(build.run(build.failed("rejected"))) == []
