from __future__ import annotations

from dataclasses import replace

from reports.trust import trust
from search.drift import CanaryReading
from search.records import Confirmation


def confirmed(build, latency_ms, searched_ms, **fields):
    searched = {"latency_p90_s": searched_ms / 1e3, "peak_memory_bytes": 4.0 * 2**20}
    return build.record(latency_ms, confirmation=Confirmation(3, searched), **fields)


def test_an_unconfirmed_front_says_so_and_how_to_confirm_it(small_run):
    (text,) = trust(small_run)
    assert text.startswith("Not confirmed: each was measured in one process only")
    assert "python -m search confirm --run DIR" in text


def test_a_confirmed_front_says_how_far_it_moved(build):
    run = build.run(confirmed(build, 1.0, 0.8), confirmed(build, 0.9, 1.0, accuracy=0.94))
    (text,) = trust(run)
    assert text.startswith("Confirmed: medians of 3 fresh processes, taken in random order.")
    assert text.endswith("Latency p90 came out at 0.90x to 1.25x of what the search saw.")


def test_what_is_not_timed_has_no_medians(build):
    searched = {"latency_p90_s": 1e-3, "peak_memory_bytes": 4.0 * 2**20}
    (text,) = trust(build.run(build.record(1.0, confirmation=Confirmation(1, searched))))
    assert text.startswith("Confirmed: built again, with the same answers and estimates. Nothing")


def test_ties_are_named(build):
    assert any("trial 1 is tied with 0" in t for t in trust(build.run(
        build.record(1.004), build.record(1.0)
    )))  # fmt: skip


def test_the_canary_says_how_much_the_machine_moved(build):
    readings = [CanaryReading(1, 0.99, 0.0), CanaryReading(2, 1.03, 1.0)]
    run = replace(build.run(build.record()), canary=readings)
    assert any("timed again 2 times during the search and took 0.99x to 1.03x" in t
               for t in trust(run))  # fmt: skip


def test_disturbed_measurements_are_counted(build):
    run = build.run(build.record(flags=["other work took 23 %"]), build.record(2.0))
    assert any(t.startswith("!  measured while something disturbed, as were 1 of 2") for t in
               trust(run))  # fmt: skip
