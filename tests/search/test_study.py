"""Whole runs of a tiny space: real training, a real engine, real kills."""

import random
import signal
import time
from pathlib import Path

import onnx
import psutil
import pytest
from optuna.trial import TrialState

from search import api
from search.errors import UsageError
from search.events import TrialStarted
from tests.search.runs import finished, front_json, states, study_of, wait_for_line

WORKERS = {"evaluators.benchmark.worker", "evaluators.build_worker"}


def test_a_run_goes_on_to_a_larger_total_and_ends_with_a_front(tiny_space, run_cli, tmp_path):
    space = tiny_space()
    begun = run_cli("run", "--space", space, "--run", "r", "--trials", 2)
    assert begun.returncode == 0, begun.stderr
    before = [trial.params for trial in study_of(tmp_path / "r").trials]
    done = run_cli("run", "--space", space, "--run", "r", "--trials", 4, "--plain")
    assert done.returncode == 0, done.stderr
    assert "report: " in done.stdout
    for name in ("study.db", "front.csv", "trials.csv", "report.html", "run.log"):
        assert (tmp_path / "r" / name).stat().st_size > 0
    trials = study_of(tmp_path / "r").trials
    records = [trial.user_attrs["record"] for trial in trials]
    assert [trial.params for trial in trials[:2]] == before
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert records[0]["params"]["sparsity"] == 0
    assert [record["params"]["precision"] for record in records[:2]] == ["fp32", "int8"]
    assert all(trial.constraints for trial in trials)
    _check_files(records)
    _check_front(front_json(run_cli, tmp_path / "r"), trials)
    again = run_cli("run", "--space", space, "--run", "r", "--trials", 4)
    assert again.returncode == 0
    assert len(study_of(tmp_path / "r").trials) == 4


def _check_files(records):
    """The file behind a point is the file that was measured."""
    for record in records:
        assert onnx.load(record["artifact"]).graph.node
        size = record["quantities"]["model_size_bytes"]["value"]
        assert Path(record["artifact"]).stat().st_size == size


def _check_front(found, trials):
    """What Optuna is told is what the front shows; of the same candidate, what was told last."""
    told = {str(trial.params): trial.values for trial in trials}
    for point in found["points"]:
        values = [point["values"][name] for name in found["objectives"]]
        assert told[str(trials[point["trial"]].params)] == pytest.approx(values)
        assert set(point["provenance"].values()) == {"measured"}
        assert not point["confirmed"]


def test_killed_at_any_moment_the_same_command_goes_on(tiny_space, run_cli, start, tmp_path):
    space, wanted = tiny_space(), 5
    generator = random.Random(0)
    kept = []
    for _ in range(10):
        process = start("--space", space, "--run", "r", "--trials", wanted)
        time.sleep(generator.uniform(2.0, 5.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (tmp_path / "r" / "run.json").exists():
            done = [t for t in study_of(tmp_path / "r").trials if t.state.name == "COMPLETE"]
            assert [t.number for t in done][: len(kept)] == kept
            kept = [t.number for t in done]
    done = run_cli("run", "--space", space, "--run", "r", "--trials", wanted)
    assert done.returncode == 0, done.stderr
    assert finished(tmp_path / "r") == wanted
    assert "RUNNING" not in states(tmp_path / "r")
    assert not _orphans()


def _orphans():
    lines = [
        process.info["cmdline"] or []
        for process in psutil.process_iter(["cmdline", "ppid"])
        if process.info["ppid"] == 1
    ]
    return [line for line in lines if WORKERS.intersection(line)]


def test_ctrl_c_once_finishes_the_trial_and_writes_the_report(tiny_space, start, tmp_path):
    process = start("--space", tiny_space(), "--run", "r", "--trials", 500)
    wait_for_line(process, "trial 0")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopping after this trial" in output
    assert "report: " in output
    assert set(states(tmp_path / "r")) <= {"COMPLETE", "WAITING"}


def test_ctrl_c_twice_stops_now_and_leaves_no_trial_running(tiny_space, start, tmp_path):
    process = start("--space", tiny_space(), "--run", "r", "--trials", 500)
    wait_for_line(process, "trial 0")
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "Stopping after this trial")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    assert "RUNNING" not in states(tmp_path / "r")


def test_a_second_process_is_refused_and_leaves_the_first_undisturbed(
    tiny_space, start, run_cli, tmp_path
):
    space = tiny_space()
    process = start("--space", space, "--run", "r", "--trials", 500)
    wait_for_line(process, "trial 0")
    second = run_cli("run", "--space", space, "--run", "r", "--trials", 500)
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr == (
        f"error: r is being written by another process (process {process.pid}). Wait for it, stop "
        "it, or choose another folder with --run.\n"
    )
    wait_for_line(process, f"trial {finished(tmp_path / 'r')}")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert set(states(tmp_path / "r")) <= {"COMPLETE", "WAITING"}
    logged = (tmp_path / "r" / "run.log").read_text().splitlines()
    said = [line.split(" ", 2)[2] for line in logged]
    assert said[0].startswith(("! ", "workload: "))
    assert sum(line.startswith("workload: ") for line in said) == 1


def test_a_trial_that_another_program_ends_is_named_and_the_same_command_goes_on(
    tiny_space, tmp_path
):
    space, run_dir = tiny_space(), tmp_path / "r"

    def end_it(event):
        """Do what `Fail Trial` of optuna-dashboard does."""
        if isinstance(event, TrialStarted) and event.number == 1:
            study_of(run_dir).tell(1, state=TrialState.FAIL)

    with pytest.raises(UsageError, match="but another program ended the one under way"):
        api.run(space, run_dir, observe=end_it)
    assert states(run_dir) == ["COMPLETE", "FAIL"]
    api.run(space, run_dir)
    assert states(run_dir)[:2] == ["COMPLETE", "FAIL"]
    assert finished(run_dir) == 3
