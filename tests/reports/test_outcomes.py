from __future__ import annotations

from dataclasses import replace

from reports import outcomes
from search.records import Confirmation, Failure, TrialRecord


def test_every_trial_has_an_outcome(small_run):
    assert outcomes.outcomes(small_run) == {
        0: "front",
        1: "front",
        2: "dominated",
        3: "infeasible",
        4: "rejected",
    }


def test_an_infeasible_trial_names_the_bound_and_by_how_much_it_is_broken(small_run):
    assert outcomes.explanation(small_run, small_run.trials[3].record) == (
        "infeasible: accuracy >= 0.91 is broken by 1.10 % with 0.900"
    )


def test_a_bound_on_what_is_unavailable_cannot_be_checked(build):
    record = build.record(violations={"power_w": 10.0})
    run = build.run(record, bounds={"power_w": (None, 5.0)})
    assert outcomes.explanation(run, record) == (
        "infeasible: power_w <= 5 can't be checked, unavailable: no meter here"
    )


def test_a_failure_says_kind_stage_and_reason(small_run):
    assert outcomes.explanation(small_run, small_run.trials[4].record) == (
        "rejected at compile: op GELU isn't an Edge TPU op"
    )


def test_a_failure_before_any_stage_says_none(build):
    failure = Failure("interrupted", "the run was killed", None)
    record = TrialRecord({"engine": ""}, failure=failure)
    assert outcomes.explanation(build.run(record), record) == "interrupted: the run was killed"


def test_a_dominated_trial_shows_its_values(small_run):
    assert outcomes.explanation(small_run, small_run.trials[2].record) == (
        "dominated or tied: 0.750 ms, 3.00 MiB, 0.920"
    )


def test_what_came_to_nothing_for_one_reason_is_one_group(build):
    broken = {"violations": {"accuracy": 0.2, "latency_p90_ms": -0.5}}
    run = build.run(
        build.failed(reason="too big", stage="benchmark"),
        build.record(**broken),
        build.failed(),
        build.failed(),
        build.record(**broken),
        build.record(),
    )
    assert outcomes.what_failed(run) == [
        outcomes.FailureGroup("infeasible", "benchmark", "breaks accuracy >= 0.91", (1, 4)),
        outcomes.FailureGroup("rejected", "compile", "op GELU isn't an Edge TPU op", (2, 3)),
        outcomes.FailureGroup("rejected", "benchmark", "too big", (0,)),
    ]


def test_a_constraint_that_was_not_written_down_goes_by_its_name(small_run):
    assert outcomes.constraint_text(small_run, "power_w") == "power_w"


def test_a_run_of_failures_has_no_numbers(build, small_run):
    assert not outcomes.has_numbers(build.run(build.failed()))
    assert outcomes.has_numbers(small_run)
    assert outcomes.has_numbers(build.run(baseline=build.record()))


def test_a_range_shows_both_of_its_bounds(build):
    run = build.run(bounds={"power_w": (1.0, 5.0)})
    assert outcomes.constraint_text(run, "power_w") == "power_w >= 1 and power_w <= 5"


def test_a_ratio_to_a_baseline_that_is_missing_goes_by_its_name(build):
    run = build.run(bounds={"power_w": (None, None)})
    assert outcomes.constraint_text(run, "power_w") == "power_w"


def test_what_no_confirmed_trial_dominates_but_was_not_confirmed_is_called_that(build):
    again = Confirmation(3, {"latency_p90_s": 0.0005})
    run = build.run(
        build.record(1.0, 4.0, confirmation=again), build.record(0.8, 4.0), build.record(1.2, 4.5)
    )
    assert outcomes.outcomes(run) == {0: "front", 1: "unconfirmed", 2: "dominated"}
    found = outcomes.outcomes(run)
    why = [outcomes.why_not(run, trial, found[trial.number]) for trial in run.trials]
    assert why[1].startswith("not confirmed, as there was no time")
    assert why[2].startswith("dominated or tied")


def test_what_could_not_be_measured_again_says_why(build):
    run = replace(build.run(build.record()), lost={0: "crashed with SIGSEGV."})
    assert outcomes.why_not(run, run.trials[0], outcomes.FRONT) == (
        "couldn't be measured again: crashed with SIGSEGV."
    )
