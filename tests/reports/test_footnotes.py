from __future__ import annotations

from reports import footnotes, trust
from reports.cells import cell


def test_a_front_says_what_its_numbers_are_compared_with(small_run):
    objectives = small_run.facts.objectives
    shown = [cell(small_run, small_run.trials[0].record, o) for o in objectives]
    assert footnotes.footnotes(small_run, shown, is_empty=False) == [
        "0.50x  half of the baseline's value",
        "-0.010  accuracy lower than the fp32 model's on the host, 0.960",
        trust.confirmation(small_run),
    ]


def test_a_baseline_that_failed_says_why(build):
    run = build.run(baseline=build.failed())
    why = "rejected at compile: op GELU isn't an Edge TPU op"
    assert footnotes.footnotes(run, [], is_empty=True) == [
        f"The baseline has no numbers ({why}), so nothing is compared with it.",
        "No trial has finished yet.",
    ]


def test_no_baseline_and_no_feasible_trial_are_said(build):
    run = build.run(build.failed())
    assert footnotes.footnotes(run, [], is_empty=True) == [
        "There is no baseline yet, so nothing is compared with it.",
        "No trial is feasible yet.",
    ]
