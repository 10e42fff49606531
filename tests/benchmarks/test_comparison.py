import math

import pytest

from benchmarks.comparison import (
    figures_of,
    mean_spent_s,
    reached,
    reached_their_end,
    time_ratio,
)
from benchmarks.outcome import Outcome, Step

BUDGET_S = 100.0


def _outcome(*steps, shortest_p90_s=0.001, spent_s=None):
    found = [Step(0.0, 0.0), *(Step(*step) for step in steps)]
    return Outcome(found, shortest_p90_s, spent_s or {}, len(steps))


FAST = [_outcome((5.0, 0.9), (10.0, 1.0)), _outcome((20.0, 1.0)), _outcome((6.0, 0.99))]
SLOW = [_outcome((50.0, 0.97)), _outcome((40.0, 0.99)), _outcome((60.0, 0.5))]


def test_a_search_that_never_gets_there_counts_as_the_whole_budget():
    found = reached(SLOW, 0.98, BUDGET_S)
    assert found.times_s == (BUDGET_S, 40.0, BUDGET_S)
    assert found.missed == 2
    assert found.median_s == BUDGET_S
    assert found.is_bound
    assert not reached(SLOW, 0.95, BUDGET_S).is_bound


def test_where_nothing_was_found_nothing_was_reached():
    nothing = {"ours": [_outcome()], "tpe": [_outcome()]}
    found = figures_of(nothing, "ours", BUDGET_S)
    assert found["missed_98_ours"] == 1
    assert found["time_to_98_ratio_tpe"] == 1.0


def test_what_came_after_the_budget_does_not_count():
    assert reached([_outcome((120.0, 1.0))], 0.9, BUDGET_S).missed == 1


def test_ratios_are_of_equal_seeds_and_their_median_counts():
    ours, theirs = reached(FAST, 0.98, BUDGET_S), reached(SLOW, 0.98, BUDGET_S)
    assert time_ratio(ours, theirs) == 0.1  # of 10 / 100, 20 / 40 and 6 / 100


def test_what_a_method_had_in_the_end_is_reached_by_itself_and_by_whoever_is_better():
    ours, theirs = (reached_their_end(runs, SLOW, BUDGET_S) for runs in (FAST, SLOW))
    assert theirs.times_s == (50.0, 40.0, 60.0)
    assert ours.times_s == (10.0, 20.0, 6.0)  # 0.98 of 0.97, of 0.99 and of 0.5
    assert (ours.missed, theirs.missed) == (0, 0)
    assert reached_their_end(SLOW, FAST, BUDGET_S).missed == 2
    late = [_outcome((50.0, 0.9), (120.0, 1.0))]  # what comes after the budget is no end
    assert reached_their_end(late, late, BUDGET_S).times_s == (50.0,)


def test_figures_are_flat_and_named_by_method():
    found = figures_of({"ours": FAST, "tpe": SLOW}, "ours", BUDGET_S)
    assert found["best_hypervolume"] == 1.0
    assert found["time_to_98_ratio_tpe"] == 0.1
    assert found["time_to_95_s_tpe"] == 50.0
    assert found["missed_98_tpe"] == 2
    assert found["time_to_98_of_end_s_tpe"] == 50.0
    assert found["time_to_98_of_end_ratio_tpe"] == 0.2
    assert found["missed_98_of_end_tpe"] == 0
    assert found["best_p90_ms_ours"] == 1.0
    assert "time_to_98_ratio_ours" not in found


def test_no_model_within_the_drop_is_no_figure():
    none = [_outcome((1.0, 1.0), shortest_p90_s=math.inf)]
    assert figures_of({"ours": none}, "ours", BUDGET_S)["best_p90_ms_ours"] is None


def test_time_is_told_by_stage_as_the_mean_over_the_seeds():
    runs = [_outcome(spent_s={"distill": 10.0}), _outcome(spent_s={"distill": 20.0, "export": 4.0})]
    assert mean_spent_s(runs) == pytest.approx({"distill": 15.0, "export": 2.0})
