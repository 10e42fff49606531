"""A session at a terminal, around a search whose outcome is chosen."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import optuna
import pytest

from search import session as session_module
from search.errors import UsageError
from search.events import BaselineMeasured, Notice, StageStarted, Waiting
from search.plan import make_plan
from search.run_directory import open_storage
from search.session import Session, print_plan
from search.study_attributes import BASELINE, RECORD, RUN

pytestmark = pytest.mark.measures

NAMED = "sparsity: {min: 0.0, max: 0.5, step: 0.25}, precision: [fp32, int8]"


@pytest.fixture
def search(monkeypatch, build):
    """Replace the search by one that keeps the given records, then acts on its options."""

    def replace_by(*records, act=lambda options, observe: None):
        def run_search(_space, directory, options, observe):
            baseline = build.record(1.0, 4.0, 0.95)
            run = build.run(*records, baseline=baseline)
            with directory.writing():
                _keep(run, directory)
                observe(BaselineMeasured(baseline, run))
                act(options, observe)
            return run

        monkeypatch.setattr(session_module, "run_search", run_search)

    return replace_by


def _keep(run, directory):
    """Write a study as a search does."""
    url = directory.storage_url(None)
    directions = [objective.direction for objective in run.facts.objectives]
    study = optuna.create_study(study_name="tiny", storage=open_storage(url), directions=directions)
    directory.remember(url, "tiny")
    study.set_user_attr(RUN, run.facts.to_json())
    study.set_user_attr(BASELINE, run.baseline.to_json())
    for each in run.trials:
        trial = study.ask()
        trial.set_user_attr(RECORD, each.record.to_json())
        study.tell(trial, [each.record.shown(objective) for objective in run.facts.objectives])


@pytest.fixture
def space(space_of, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    return space_of(f"search: {{{NAMED}}}\n", "onnxruntime")


@pytest.fixture
def run_session(space, tmp_path):
    """Run a session in ``r`` as the command line does; return its exit code."""

    def run(*, plain=True, run_dir=tmp_path / "r"):
        session = Session(space, run_dir, plain=plain)
        return session.run(trials=None, timeout_s=None, storage=None, seed=None)

    return run


def interrupt(options, _observe, name=signal.SIGINT):
    assert not options.should_stop()
    os.kill(os.getpid(), name)
    assert options.should_stop()


def interrupt_twice(options, observe):
    interrupt(options, observe)
    os.kill(os.getpid(), signal.SIGINT)
    pytest.fail("still running")


def test_a_run_ends_with_its_front_and_where_its_report_is(search, run_session, build, capsys):
    search(build.record(0.5))
    assert run_session() == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("baseline latency_p90_ms=1 peak_memory_mib=4 accuracy=0.95\n")
    assert "1 on the front of 1 finished trials" in said.out
    assert said.out.endswith(f"report: {Path('r/report.html').absolute()}\n")
    written = {path.name for path in Path("r").iterdir()}
    assert {"front.csv", "trials.csv", "report.html", "run.log"} <= written


def test_a_run_without_a_feasible_trial_ends_with_1(search, run_session, build, capsys):
    search(build.record(0.5, violations={"accuracy": 0.2}))
    assert run_session() == 1
    assert "0 on the front of 1 finished trials" in capsys.readouterr().out


def test_the_folder_is_named_after_the_space_unless_another_is_named(search, run_session, build):
    search(build.record(0.5))
    assert run_session(run_dir=None) == 0
    assert Path("runs/tiny/report.html").exists()


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_ends_the_run_after_the_trial(search, run_session, build, capsys, name):
    search(build.record(0.5), act=lambda options, observe: interrupt(options, observe, name))
    assert run_session() == 130
    said = capsys.readouterr().out
    assert "Stopping after this trial; once more stops now.\n" in said
    assert "1 on the front of 1 finished trials" in said
    assert Path("r/report.html").exists()


def test_a_second_signal_ends_the_run_at_once(search, run_session, build, capsys):
    search(build.record(0.5), act=interrupt_twice)
    assert run_session() == 130
    said = capsys.readouterr().out
    assert said.count("Stopping after this trial") == 1
    assert "1 on the front of 1 finished trials" in said
    assert Path("r/report.html").exists()


@pytest.mark.parametrize("act", [lambda options, observe: None, interrupt, interrupt_twice])
def test_signals_mean_afterwards_what_they_meant_before(search, run_session, build, act):
    before = [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)]
    search(build.record(0.5), act=act)
    run_session()
    assert [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_live_session_says_the_same_at_its_end(search, run_session, build, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich, this is a terminal
    monkeypatch.setenv("TERM", "xterm")
    search(build.record(0.5), act=lambda options, observe: observe(Notice("a stand-in")))
    assert run_session(plain=False) == 0
    said = capsys.readouterr().out
    assert "\x1b[2K" in said
    assert "1 on the front of 1 finished trials" in said.rpartition("\x1b[2K")[2]


def refuse(_options, _observe):
    raise UsageError("--seed must be 7.")


def test_what_is_refused_is_passed_on(search, run_session, capsys):
    search(act=refuse)
    with pytest.raises(UsageError, match=r"^--seed must be 7\.$"):
        run_session()
    assert "report: " not in capsys.readouterr().out


def tell_all(_options, observe):
    observe(Notice("a stand-in"))
    observe(StageStarted("trial 0", "compress", False))
    observe(Waiting())


@pytest.mark.parametrize("times", [1, 2])
def test_the_log_has_one_line_an_event_with_its_time(search, run_session, build, times):
    for _ in range(times):
        search(build.record(0.5), act=tell_all)
        run_session(run_dir=Path(f"r{times}"))
        Path(f"r{times}/study.db").unlink()
    said = [line.split(" ", 2)[2] for line in Path(f"r{times}/run.log").read_text().splitlines()]
    baseline = "baseline latency_p90_ms=1 peak_memory_mib=4 accuracy=0.95"
    assert said == [baseline, "! a stand-in", "trial 0: compress"] * times


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_that_has_no_room_costs_its_lines_and_not_the_run(search, run_session, build, capsys):
    Path("r").mkdir()
    Path("r/run.log").symlink_to("/dev/full")
    search(build.record(0.5), act=tell_all)
    assert run_session() == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "1 on the front of 1 finished trials" in said.out


def test_a_folder_that_cannot_be_made_is_left_to_the_search_to_name(search, run_session, build):
    Path("r").write_text("in the way")
    search(build.record(0.5))
    with pytest.raises(UsageError, match=r"r can't be written: File exists \(.*r\)\. Choose"):
        run_session()


def test_a_plan_names_dimensions_first_trials_and_what_is_shared(
    space, target_of, workload, monkeypatch, capsys
):
    plan = make_plan(space, target_of("onnxruntime"), workload)
    monkeypatch.setattr(session_module, "check_space", lambda _: plan)
    print_plan(space)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "tiny on a CPU: 30 trials",
        "workload: accuracy, inputs {'image': ([3, 8, 8], 'float32')}",
        "dimensions:",
    ]
    assert {"  precision: 2 values", "  sparsity: 3 values"} < set(lines)
    first = lines[lines.index("first trials:") + 1 :]
    assert [line[:52] for line in first[:2]] == [
        "  {'engine': 'onnxruntime', 'precision': 'fp32', 'sp",
        "  {'engine': 'onnxruntime', 'precision': 'int8', 'sp",
    ]
    assert first[2].startswith(
        "stages: compress -> export -> quantize (onnx, onnx_int8) -> compile"
    )
