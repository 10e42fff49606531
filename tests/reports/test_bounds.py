from __future__ import annotations

import pytest

from reports.bounds import bound_shapes, window_of, words_for_unseen_bounds
from spaces.objectives import OBJECTIVES

LATENCY = OBJECTIVES["latency_p90_ms"]
NONE = (None, None)


def test_a_window_holds_every_value_with_a_margin():
    window = window_of([1.0, 3.0, 2.0], NONE, is_log=False)
    assert (window.low, window.high) == pytest.approx((0.86, 3.14))
    assert window.axis_layout() == {"type": "linear", "range": [window.low, window.high]}


def test_a_logarithmic_window_counts_in_decades():
    window = window_of([1.0, 100.0, 0.0, -1.0], NONE, is_log=True)
    assert (window.low, window.high) == pytest.approx((10**-0.14, 10**2.14))
    assert window.axis_layout() == {"type": "log", "range": pytest.approx([-0.14, 2.14])}


@pytest.mark.parametrize(
    ("value", "is_log"),
    [(0.0, False), (0.25, False), (-3.0, False), (0.25, True), (1.0, True), (500.0, True)],
)
def test_a_single_value_has_room_on_both_sides(value, is_log):
    window = window_of([value], NONE, is_log=is_log)
    assert window.low < value < window.high


@pytest.mark.parametrize(
    ("bounds", "is_seen"),
    [
        ((None, 2.5), True),
        ((None, 5.0), True),  # 2 above 3, and the values are spread over 2
        ((None, 5.1), False),
        ((-1.0, None), True),
        ((-1.1, None), False),
    ],
)
def test_a_bound_is_seen_up_to_as_far_away_as_the_values_are_spread(bounds, is_seen):
    window = window_of([1.0, 3.0], bounds, is_log=False)
    (bound,) = [bound for bound in bounds if bound is not None]
    assert window.shows(bound) is is_seen
    assert bool(words_for_unseen_bounds(LATENCY, bounds, window)) is not is_seen


def test_on_a_logarithmic_axis_distance_is_a_ratio():
    assert window_of([1.0, 30.0], (None, 800.0), is_log=True).shows(800.0)
    assert not window_of([1.0, 30.0], (None, 1000.0), is_log=True).shows(1000.0)
    assert window_of([1.0, 30.0], (0.0, None), is_log=True).low > 0


def test_unseen_bounds_are_told_in_words():
    window = window_of([1.0, 1.1], NONE, is_log=False)
    words = words_for_unseen_bounds(LATENCY, (0.125, 50.0), window)
    assert words == "bound outside: at least 0.125 ms and at most 50 ms"


def test_shading_ends_at_the_edge_of_the_window():
    window = window_of([1.0, 2.0], (None, 1.5), is_log=False)
    area, line = bound_shapes("y", LATENCY, (None, 1.5), window)
    assert (area["y0"], area["y1"], area["yref"], area["xref"]) == (
        1.5,
        window.high,
        "y",
        "x domain",
    )
    assert (line["y0"], line["y1"], line["x0"], line["x1"]) == (1.5, 1.5, 0, 1)
    assert line["label"]["text"] == "at most 1.5 ms"


def test_a_bound_far_on_the_good_side_shades_nothing():
    window = window_of([1.0, 2.0], (None, 50.0), is_log=False)
    assert list(bound_shapes("x", LATENCY, (None, 50.0), window)) == []


@pytest.mark.parametrize(("bound", "anchor"), [(1.2, "left"), (1.8, "right")])
def test_the_text_of_a_bound_runs_towards_the_middle(bound, anchor):
    window = window_of([1.0, 2.0], (None, bound), is_log=False)
    *_, line = bound_shapes("x", LATENCY, (None, bound), window)
    assert line["label"]["xanchor"] == anchor
