from __future__ import annotations

from datetime import UTC, datetime

import pytest

from search.budget import LARGEST_RESERVE, Budget, seconds_until, session_s
from search.errors import UsageError


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def budget(clock, trials=10, timeout_s=None, *, should_stop=lambda: False):
    return Budget(trials, timeout_s, should_stop, clock)


def test_the_number_of_trials_is_a_total(clock):
    ten = budget(clock, trials=10)
    assert ten.allows(9)
    assert not ten.allows(10)
    assert not ten.allows(11)


def test_a_trial_that_would_not_fit_is_not_begun(clock):
    minute = budget(clock, timeout_s=60.0)
    assert minute.allows(0)
    for seconds in (10.0, 12.0, 40.0):
        minute.add_trial(seconds)
    clock.now_s += 47.9
    assert minute.allows(3)  # 12.1 s are left, and the median is 12 s
    clock.now_s += 0.1
    assert not minute.allows(3)


def test_before_the_first_trial_any_time_left_is_enough(clock):
    minute = budget(clock, timeout_s=60.0)
    clock.now_s += 59.9
    assert minute.allows(0)
    clock.now_s += 0.1
    assert not minute.allows(0)


def test_time_is_kept_back_for_what_comes_after_the_last_trial(clock):
    minute = budget(clock, timeout_s=60.0)
    minute.add_trial(10.0)
    clock.now_s += 29.0
    assert minute.allows(1, reserve_s=20.0)  # 31 s are left: the trial's 10 and the reserve's 20
    clock.now_s += 1.0
    assert not minute.allows(1, reserve_s=20.0)
    assert minute.allows(1)
    assert minute.expected_left_s(9, reserve_s=5.0) == 15.0


def test_where_time_is_kept_back_a_trial_may_be_a_long_one(clock):
    minute = budget(clock, timeout_s=60.0)
    for seconds in (2.0, 2.0, 2.0, 2.0, 12.0):
        minute.add_trial(seconds)
    clock.now_s += 40.0
    assert minute.allows(5)
    assert minute.allows(5, reserve_s=7.0)
    assert not minute.allows(5, reserve_s=9.0)


def test_a_short_session_is_not_all_reserve(clock):
    short = budget(clock, timeout_s=60.0)
    clock.now_s += 60 * (1 - LARGEST_RESERVE) - 0.1
    assert short.allows(0, reserve_s=1000.0)
    clock.now_s += 0.2
    assert not short.allows(0, reserve_s=1000.0)


def test_time_counts_from_the_start_of_the_session(clock):
    minute = budget(clock, timeout_s=60.0)
    clock.now_s += 15.0
    assert (minute.elapsed_s(), minute.time_left_s()) == (15.0, 45.0)
    assert budget(clock).time_left_s() is None


def test_a_person_may_stop_it_at_any_moment(clock):
    wishes = iter([False, True])
    stoppable = budget(clock, should_stop=lambda: next(wishes))
    assert stoppable.allows(0)
    assert not stoppable.allows(0)


def test_the_rest_is_expected_from_the_usual_trial_and_the_time_left(clock):
    unlimited, limited = budget(clock), budget(clock, timeout_s=60.0)
    assert unlimited.expected_left_s(0) is None
    assert limited.expected_left_s(0) == 60.0
    for each in (unlimited, limited):
        for seconds in (8.0, 10.0, 90.0):
            each.add_trial(seconds)
    assert unlimited.expected_left_s(3) == 70.0
    assert limited.expected_left_s(3) == 60.0
    assert limited.expected_left_s(8) == 20.0
    assert unlimited.expected_left_s(12) == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"), [("22:31", 60.0), ("07:00", 8.5 * 3600), ("22:30", 24 * 3600)]
)
def test_until_is_the_next_such_time(text, seconds):
    assert seconds_until(text, datetime(2026, 11, 23, 22, 30, tzinfo=UTC)) == seconds


def test_seconds_of_the_present_minute_count():
    now = datetime(2026, 11, 23, 22, 30, 45, 500_000, tzinfo=UTC)
    assert seconds_until("22:31", now) == 14.5


@pytest.mark.parametrize("text", ["7", "24:00", "07:60", "7am", ""])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(UsageError, match=rf"--until must be a time of day, but got '{text}'"):
        seconds_until(text, datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("90s", 90.0), ("1h30m", 5400.0), (45, 45.0), (None, None)]
)
def test_a_session_may_have_a_limit(timeout, seconds):
    assert session_s(timeout, None) == seconds


def test_of_two_limits_the_shorter_counts():
    assert session_s("1s", "12:00") == 1.0
    assert session_s("2d", "12:00") <= 24 * 3600


@pytest.mark.parametrize("timeout", ["soon", 0, -1.0])
def test_a_limit_that_is_no_duration_is_refused(timeout):
    with pytest.raises(UsageError, match=f"--timeout must be a duration above 0.*got {timeout!r}"):
        session_s(timeout, None)
