"""Lanes: what is evaluated where, and which thread hears of it."""

from __future__ import annotations

import threading

import pytest

from evaluators.candidate import Candidate
from search.errors import UsageError
from search.events import Notice
from search.flights import Flight, Flights

LIMIT_S = 20.0


@pytest.fixture
def record(build):
    return build.record(stage_seconds={"compress": 2.0, "benchmark": 3.0})


def flight(number):
    return Flight(number, Candidate(f"engine {number}", "int8"), {}, [], 0.0, 0.0)


def test_with_one_lane_a_trial_is_evaluated_at_once_and_in_this_thread(record):
    flights, threads = Flights(), []

    def evaluate():
        threads.append(threading.get_ident())
        return record

    flights.start(flight(0), evaluate)
    assert threads == [threading.get_ident()]
    assert not flights.has_room
    landed = flights.land()
    assert (landed.record, landed.waited_s) == (record, 5.0)
    assert flights.has_room


def test_with_several_lanes_trials_overlap_and_land_as_they_end(record):
    flights = Flights(3)
    both, first_may_end = threading.Barrier(2, timeout=LIMIT_S), threading.Event()

    def slow():
        both.wait()
        assert first_may_end.wait(LIMIT_S)
        return record

    def quick():
        both.wait()  # which nobody passes alone
        return record

    flights.start(flight(0), slow)
    flights.start(flight(1), quick)
    assert flights.has_room
    assert flights.land().flight.trial == 1
    assert [each.engine for each in flights.candidates] == ["engine 0"]
    first_may_end.set()
    assert flights.land().flight.trial == 0
    assert flights.candidates == []


def test_events_of_every_lane_are_heard_in_one_thread_and_in_order(record):
    heard = []
    flights = Flights(2, lambda event: heard.append((event.text, threading.get_ident())))

    def evaluate():
        for text in "abc":
            flights.observe(Notice(text))
        return record

    flights.observe(Notice("before"))
    flights.start(flight(0), evaluate)
    flights.land()
    here = threading.get_ident()
    assert heard == [(text, here) for text in ("before", "a", "b", "c")]


def test_what_ends_the_run_in_a_lane_is_raised_where_it_is_waited_for():
    def fail():
        raise UsageError("the disk is full.")

    flights = Flights(2)
    flights.start(flight(0), fail)
    with pytest.raises(UsageError, match="the disk is full"):
        flights.land()
    assert flights.candidates == []


def test_lanes_outlive_their_trials_until_they_are_closed(record):
    flights, threads = Flights(2), []

    def evaluate():
        threads.append(threading.current_thread())
        return record

    for number in range(3):
        flights.start(flight(number), evaluate)
        flights.land()
    assert len(set(threads)) == 1
    assert threads[0].is_alive()
    flights.close()
    threads[0].join(LIMIT_S)
    assert not threads[0].is_alive()
