import io

from rich.console import Console

from benchmarks.comparison_report import show_times
from benchmarks.outcome import Outcome, Step

BUDGET_S = 100.0


def cells(outcomes, method):
    console = Console(file=io.StringIO(), width=160, color_system=None)
    show_times(console, outcomes, "ours", BUDGET_S)
    lines = console.file.getvalue().splitlines()
    return next(line.split() for line in lines if line.strip().startswith(method))


def search(*steps):
    return [Outcome([Step(0.0, 0.0), *(Step(*step) for step in steps)], 0.001, {}, len(steps))]


def test_a_time_that_was_never_reached_is_a_bound_and_so_is_its_ratio():
    outcomes = {"ours": search((10.0, 1.0)), "tpe": search((20.0, 0.5), (40.0, 0.8))}
    to_95, to_98, to_its_end = [">100", "<0.100"], [">100", "<0.100"], ["40", "0.250"]
    assert cells(outcomes, "tpe")[1:7] == [*to_95, *to_98, *to_its_end]


def test_what_ours_never_reached_is_a_ratio_of_at_least_that():
    outcomes = {"ours": search((10.0, 0.5)), "tpe": search((40.0, 1.0))}
    assert cells(outcomes, "ours")[1:3] == [">100", ">100"]
    assert cells(outcomes, "tpe")[1:7] == ["40", ">2.500", "40", ">2.500", "40", ">2.500"]
