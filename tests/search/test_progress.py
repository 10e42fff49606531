from __future__ import annotations

import io
import logging
import threading
from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from search.drift import CanaryReading
from search.events import (
    BaselineMeasured,
    CanaryRead,
    ConfirmationStarted,
    FrontConfirmed,
    Notice,
    StageStarted,
    TrialFinished,
    TrialStarted,
    Waiting,
)
from search.progress import LiveProgress, PlainProgress, log_event
from search.records import Confirmation

STAND_IN = "measured: on this machine's CPU (Xeon) instead of coral-usb"
ESTIMATED = "estimated: share of CPU time x rated power of 5 W"


class Terminal:
    """A real console that writes into memory."""

    def __init__(self, *, is_terminal=True, width=120):
        self._file = io.StringIO()
        self.console = Console(
            file=self._file, width=width, force_terminal=is_terminal, color_system=None
        )

    def said(self):
        """Return what was printed since the last call."""
        text = self._file.getvalue()
        self._file.seek(0)
        self._file.truncate()
        return text


@pytest.fixture
def plain_lines():
    """Return a function that gives the lines of events on a narrow pipe."""

    def lines(*events):
        pipe = Terminal(is_terminal=False, width=40)
        with PlainProgress(pipe.console) as progress:
            for event in events:
                progress(event)
        return pipe.said().splitlines()

    return lines


@pytest.fixture
def live():
    terminal = Terminal()
    with LiveProgress(terminal.console) as progress:
        yield progress, terminal


@pytest.fixture
def finished(build):
    """Return the event of a run's last trial."""

    def event(*records, left_s=None, baseline=None, **changes):
        made = build.run(*records, baseline=baseline, **changes)
        return TrialFinished(made.trials[-1], made, len(records), 10, left_s)

    return event


def with_provenance(record, provenance):
    quantities = {
        name: replace(quantity, provenance=provenance)
        for name, quantity in record.quantities.items()
    }
    return replace(record, quantities=quantities)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Notice("a stand-in, marked *"), "! a stand-in, marked *"),
        (Notice("[bold]no markup[/] of ours"), "! [bold]no markup[/] of ours"),
        (StageStarted("workload", "load, and train once", False), "workload: load, and train once"),
        (StageStarted("baseline", "benchmark", True), "baseline: benchmark"),
    ],
)
def test_what_happens_before_the_first_trial_is_one_line_each(plain_lines, event, line):
    assert plain_lines(event) == [line]


def test_what_happens_within_a_trial_is_no_line(plain_lines):
    events = [
        StageStarted("trial 3", "compress", False),
        StageStarted("trial 3", "benchmark", True),
        Waiting(),
        TrialStarted(3, {"precision": "int8"}),
    ]
    assert plain_lines(*events) == []


def test_the_baseline_is_its_numbers(plain_lines, build):
    baseline = build.record(0.125, 4.0, 0.95)
    assert plain_lines(BaselineMeasured(baseline, build.run(baseline=baseline))) == [
        "baseline latency_p90_ms=0.125 peak_memory_mib=4 accuracy=0.95"
    ]


def test_a_baseline_that_failed_says_where_and_why(plain_lines, build):
    baseline = build.failed("rejected", "crashed with SIGSEGV.", "benchmark")
    assert plain_lines(BaselineMeasured(baseline, build.run(baseline=baseline))) == [
        "baseline rejected at benchmark: crashed with SIGSEGV."
    ]


def test_a_trial_is_its_numbers_its_parameters_and_the_front(plain_lines, finished, build):
    params = {"engine": "openvino", "sparsity": 0.30000000000000004, "openvino.pinned": True}
    event = finished(
        build.record(0.25, 2.0, 0.93),
        build.record(0.5, 1.0, 0.97, params=params),
        baseline=build.record(1.0, 4.0, 0.95),
        left_s=65.0,
    )
    # Both dominate boxes of log ratios and accuracy: ln 4 * ln 2 * 0.08 and ln 2 * ln 4 * 0.12,
    # which share ln 2 * ln 2 * 0.08.
    assert plain_lines(event) == [
        (
            "[2/10] trial 1 latency_p90_ms=0.5 peak_memory_mib=1 accuracy=0.97 | engine=openvino "
            "sparsity=0.3 openvino.pinned=true | front 2, hypervolume 0.1537, 1 min 5 s left"
        )
    ]


def test_a_rejected_trial_says_where_and_why(plain_lines, finished, build):
    event = finished(build.failed("rejected", "took longer than 10 s.", "compile"))
    assert plain_lines(event) == [
        (
            "[1/10] trial 0 rejected at compile: took longer than 10 s. | engine=openvino "
            "precision=int8 | front 0"
        )
    ]


def test_broken_constraints_are_named_with_how_far(plain_lines, finished, build):
    over = {"latency_p90_ms": 0.3, "accuracy": -0.01, "peak_memory_mib": 1.25}
    (line,) = plain_lines(finished(build.record(violations=over)))
    assert "accuracy=0.95 (breaks latency_p90_ms by 30%, peak_memory_mib by 125%) | " in line
    assert line.endswith("| front 0")


@pytest.mark.parametrize(
    ("provenance", "shown"),
    [("measured", "0.125 "), (STAND_IN, "0.125* "), (ESTIMATED, "0.125~ ")],
)
def test_a_stand_in_and_an_estimate_are_marked(plain_lines, build, provenance, shown):
    baseline = with_provenance(build.record(0.125), provenance)
    (line,) = plain_lines(BaselineMeasured(baseline, build.run(baseline=baseline)))
    assert f"latency_p90_ms={shown}" in line


def test_what_is_unavailable_is_no_number(plain_lines, build):
    baseline = build.record(None)
    assert plain_lines(BaselineMeasured(baseline, build.run(baseline=baseline))) == [
        "baseline latency_p90_ms=- peak_memory_mib=4 accuracy=0.95"
    ]


@pytest.mark.parametrize(
    ("left_s", "tail"),
    [
        (None, "front 1"),
        (0.0, "front 1, 0 s left"),
        (59.4, "front 1, 59 s left"),
        (59.6, "front 1, 1 min 0 s left"),
        (3599.0, "front 1, 59 min 59 s left"),
        (3600.0, "front 1, 1 h 0 min left"),
        (30_000.0, "front 1, 8 h 20 min left"),
    ],
)
def test_the_time_left_is_said_as_people_say_it(plain_lines, finished, build, left_s, tail):
    (line,) = plain_lines(finished(build.record(), left_s=left_s))
    assert line.rpartition(" | ")[2] == tail


def test_the_log_has_every_stage_and_every_line(caplog, finished, build):
    logger = logging.getLogger("test of the log")
    with caplog.at_level(logging.INFO, logger.name):
        for event in (
            Notice("100 % of a notice"),
            StageStarted("trial 0", "compress", False),
            Waiting(),
            StageStarted("trial 0", "benchmark", True),
            finished(build.failed("rejected", "out of memory.", "benchmark")),
        ):
            log_event(logger, event)
    assert caplog.messages == [
        "! 100 % of a notice",
        "trial 0: compress",
        "trial 0: benchmark",
        (
            "[1/10] trial 0 rejected at benchmark: out of memory. | engine=openvino "
            "precision=int8 | front 0"
        ),
    ]


def test_a_live_display_names_trial_and_stage(live):
    progress, terminal = live
    progress(StageStarted("workload", "load, and train once", False))
    assert "starting  |  workload: load, and train once  " in terminal.said()
    progress(TrialStarted(4, {}))
    assert "starting  |  trial 4  " in terminal.said()
    progress(StageStarted("trial 4", "compress", False))
    assert "starting  |  trial 4: compress  " in terminal.said()


def test_a_live_display_names_all_trials_under_way(live, finished, build):
    progress, terminal = live
    for number in (0, 1):
        progress(TrialStarted(number, {}))
    progress(StageStarted("trial 1", "distill", False))
    terminal.said()
    progress(StageStarted("trial 0", "benchmark", True))
    assert "starting  |  trial 0: benchmark  0 s  |  trial 1: distill  0 s" in terminal.said()
    baseline = build.record(1.0, 4.0, 0.95)
    progress(finished(build.record(0.5, 2.0, 0.95), baseline=baseline))
    said = terminal.said()
    assert "trial 1: distill  0 s" in said
    assert "trial 0" not in said
    progress(StageStarted("canary", "benchmark", True))
    assert "trial 1: distill  0 s  |  canary: benchmark" in terminal.said()


def test_a_live_display_shows_time_left_front_and_hypervolume(live, finished, build):
    progress, terminal = live
    baseline = build.record(1.0, 4.0, 0.95)
    progress(BaselineMeasured(baseline, build.run(baseline=baseline)))
    assert "hypervolume 0.0000" in terminal.said()
    progress(finished(build.record(0.5, 2.0, 0.95), baseline=baseline, left_s=65.0))
    said = terminal.said()
    assert "1 of 10 trials, about 1 min 5 s left" in said
    assert "1 on the front of 1 finished trials" in said
    assert "hypervolume 0.0480" in said  # ln 2 * ln 2 * 0.10


def test_a_redraw_shows_the_same_front_and_follows_the_width_of_the_terminal(finished, build):
    file = io.StringIO()
    console = Console(file=file, width=120, force_terminal=True, color_system=None)
    baseline = build.record(1.0, 4.0, 0.95)
    event = finished(build.record(0.5, 2.0, 0.93), baseline=baseline)
    with LiveProgress(console) as progress:
        progress(event)
        first = file.getvalue()
        progress(Waiting())
        again = file.getvalue()[len(first) :]
        console.width = 66
        progress(Waiting())
        narrow = file.getvalue()[len(first) + len(again) :]
    rows = [
        [line.split() for line in text.splitlines() if "0.50x" in line] for text in (first, again)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) > 0
    assert any(len(line) > 66 for line in again.splitlines())
    assert all(len(line) <= 66 for line in narrow.splitlines() if "\x1b" not in line)
    assert "0.50x" in narrow


def test_what_a_trial_changes_is_laid_out_anew_and_nothing_else(live, finished, build, monkeypatch):
    laid_out = []
    lay_out = Table.__rich_console__

    def counted(table, *arguments):
        laid_out.append(table)
        return lay_out(table, *arguments)

    monkeypatch.setattr(Table, "__rich_console__", counted)
    progress, terminal = live
    baseline, first = build.record(1.0, 4.0, 0.95), build.record(0.5, 2.0, 0.95)
    progress(finished(first, baseline=baseline))
    terminal.said()
    assert len(laid_out) == 1
    progress(finished(first, build.record(2.0, 8.0, 0.95), baseline=baseline))
    said = terminal.said()
    assert len(laid_out) == 1
    assert "1 on the front of 2 finished trials" in said
    assert "0.50x" in said
    progress(finished(build.record(0.25, 2.0, 0.95), baseline=baseline))
    assert len(laid_out) == 2
    said = terminal.said()
    assert "0.25x" in said
    assert "0.50x" in said  # the memory's
    assert "0.500" not in said


def test_a_live_display_leaves_out_what_a_terminal_has_no_room_for(finished, build):
    file = io.StringIO()
    console = Console(file=file, width=120, height=12, force_terminal=True, color_system=None)
    records = [build.record(1.0 + n, 9.0 - n, 0.95) for n in range(8)]
    with LiveProgress(console) as progress:
        progress(finished(*records, baseline=build.record(9.0, 9.0, 0.95)))
    assert "8 on the front of 8 finished trials" in file.getvalue()
    numbers = [line.split()[0] for line in file.getvalue().splitlines() if line.split()]
    assert "0" in numbers
    assert "7" not in numbers


def test_a_live_display_without_a_baseline_has_no_hypervolume(live, finished, build):
    progress, terminal = live
    failed = build.failed("rejected")
    progress(BaselineMeasured(failed, build.run(baseline=failed)))
    progress(finished(build.record(), baseline=failed))
    said = terminal.said()
    assert "1 of 10 trials" in said
    assert "hypervolume" not in said


def test_a_notice_stays_above_the_live_display(live):
    progress, terminal = live
    progress(Notice("[bold]a stand-in[/]"))
    progress(StageStarted("workload", "load", False))
    assert terminal.said().count("! [bold]a stand-in[/]\n") == 1


def test_waiting_redraws_and_silence_draws_nothing(live):
    """A redraw is work on the machine that is being measured."""
    progress, terminal = live
    threads = threading.active_count()
    progress(StageStarted("trial 0", "benchmark", True))
    terminal.said()
    assert threading.active_count() == threads
    assert terminal.said() == ""
    progress(Waiting())
    assert "trial 0: benchmark" in terminal.said()


def test_a_live_display_takes_itself_away():
    terminal = Terminal()
    with LiveProgress(terminal.console) as progress:
        progress(StageStarted("workload", "load", False))
        terminal.said()
    erase_line = "\x1b[2K"
    assert erase_line in terminal.said().rpartition("workload: load")[2]


def test_a_canary_says_whether_the_machine_is_what_it_was(plain_lines):
    steady, drifted = (CanaryRead(CanaryReading(5, ratio, 0.0)) for ratio in (1.01, 1.08))
    (line,) = plain_lines(steady)
    assert line == "canary: the baseline takes 1.010 of its time at the beginning"
    (line,) = plain_lines(drifted)
    assert line.endswith("the machine has drifted, so what was measured since the last reading is marked")  # fmt: skip  # noqa: E501


def test_confirmation_says_what_it_does_and_what_became_of_the_front(build, plain_lines):
    before = build.run(build.record(1.0), build.record(0.5, 8.0), build.record(3.0))
    again = {"confirmation": Confirmation(3, {})}
    after = build.run(build.record(1.0, **again), build.record(1.1, 8.0, **again))
    after = replace(after, lost={7: "crashed."})
    lines = plain_lines(ConfirmationStarted(2, 3), FrontConfirmed(after, before))
    assert lines == [
        "confirming the front: 2 points and the baseline, measured again in 3 fresh processes each",
        "confirmed: 1 on the front, 1 of them as before; trial 7 couldn't be measured again (crashed.)",  # noqa: E501
    ]


class Pages:
    """A screen that keeps what was drawn on it."""

    def __init__(self):
        self.drawn = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return

    def update(self, renderable, *, refresh=False):
        assert refresh
        console = Console(file=io.StringIO(), width=120, color_system=None)
        console.print(renderable)
        self.drawn.append(console.file.getvalue())


def test_a_display_is_drawn_where_it_is_told_to_be_and_notices_above_it(finished, build):
    terminal, pages = Terminal(), Pages()
    baseline = build.record(1.0, 4.0, 0.95)
    event = finished(build.record(0.5, 2.0, 0.95), baseline=baseline)
    with LiveProgress(terminal.console, pages) as progress:
        progress(Notice("a stand-in, marked *"))
        progress(event)
        progress(FrontConfirmed(event.run, event.run))
    assert terminal.said() == "! a stand-in, marked *\n"
    found, confirmed = pages.drawn
    assert found.startswith("1 of 10 trials\n")
    assert confirmed.startswith("confirmed: 1 on the front, 1 of them as before\n")
    assert "1 on the front of 1 finished trials" in confirmed
