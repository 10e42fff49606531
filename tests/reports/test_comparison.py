from __future__ import annotations

import io

from rich.console import Console

from reports.comparison import comparison_table, shared_candidates


def printed(*runs, width=160):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(comparison_table(runs))
    return console.file.getvalue()


def line_of(text, start, nth=0):
    found = [line for line in text.splitlines() if line.startswith(start)]
    return " ".join(found[nth].split())


def test_runs_stand_side_by_side_with_what_they_ran_on(two_runs):
    text = printed(*two_runs)
    assert line_of(text, "device") == "device intel-nuc board"
    assert line_of(text, "runtimes") == "runtimes openvino 2026.4.1 -"
    assert line_of(text, "finished trials") == "finished trials 2 2"
    assert line_of(text, "on the front") == "on the front 2, not confirmed 1, not confirmed"


def test_numbers_have_ratios_to_the_first_run_with_intervals(two_runs):
    text = printed(*two_runs)
    assert line_of(text, "latency p90, ms") == "latency p90, ms 2.00 1.00 0.50x (0.45x to 0.56x)"
    assert line_of(text, "peak memory, MiB", 1) == "peak memory, MiB 2.00 2.00 1.00x"
    assert line_of(text, "accuracy", 1) == "accuracy 0.940 0.930"


def test_the_same_candidates_are_compared_one_by_one(two_runs):
    text = printed(*two_runs)
    assert line_of(text, "candidates") == "candidates 2 1"
    assert line_of(text, "latency p90, ms", 2) == "latency p90, ms 0.50x (0.50x to 0.50x)"
    assert line_of(text, "accuracy", 2) == "accuracy -0.010 (-0.010 to -0.010)"
    ((mine, theirs),) = shared_candidates(two_runs[0][1], two_runs[1][1])
    assert (mine.params["sparsity"], theirs.params["sparsity"]) == (0.75, 0.75)


def test_runs_that_share_nothing_and_lack_everything_are_still_compared(build):
    text = printed(("a", build.run()), ("b", build.run(build.record())))
    assert line_of(text, "model") == "model - openvino int8, sparsity 0.00, 0 epochs of fine-tuning"
    assert line_of(text, "candidates") == "candidates 0 0"


def test_notices_come_first_and_hostile_names_steer_no_terminal(stand_in_run, evil_run):
    text = printed(("a", stand_in_run), ("b\x1b[31m", evil_run))
    assert text.startswith("Note: coral-usb isn't here")
    assert "\x1b" not in text
