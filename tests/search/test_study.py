"""Whole runs of a tiny space: real training, a real engine, real kills."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import onnx
import optuna
import psutil
import pytest

REPOSITORY = Path(__file__).parents[2]
WIDE = {"COLUMNS": "200"}
WORKER = "evaluators.benchmark.worker"


def study_of(run_dir, name="tiny"):
    url = f"sqlite:///{run_dir}/study.db"
    return optuna.load_study(study_name=name, storage=url)


def states(run_dir, name="tiny"):
    return [trial.state.name for trial in study_of(run_dir, name).trials]


def finished(run_dir, name="tiny"):
    return sum(state in ("COMPLETE", "PRUNED") for state in states(run_dir, name))


def front_json(run_cli, run_dir):
    done = run_cli("front", "--run", run_dir, "--format", "json", "--all")
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def start(tmp_path, search_cache):
    """Start ``python -m search run`` in the background, in a group of its own."""

    def begin(*args):
        process = subprocess.Popen(
            [sys.executable, "-m", "search", "run", *map(str, args), "--plain"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(process)
        return process

    begun = []
    yield begin
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for_line(process, sign):
    for line in process.stdout:
        if sign in line:
            return line
    raise AssertionError(f"the run ended before it printed {sign!r}")


def test_a_run_measures_its_baseline_first_and_ends_with_a_front(tiny_space, run_cli, tmp_path):
    done = run_cli("run", "--space", tiny_space({"budget.trials": 4}), "--run", "r", "--plain")
    assert done.returncode == 0, done.stderr
    assert "report: " in done.stdout
    for name in ("study.db", "front.csv", "trials.csv", "report.html", "run.log"):
        assert (tmp_path / "r" / name).stat().st_size > 0
    trials = study_of(tmp_path / "r").trials
    records = [trial.user_attrs["record"] for trial in trials]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert records[0]["params"]["sparsity"] == 0
    assert [record["params"]["precision"] for record in records[:2]] == ["fp32", "int8"]
    assert all(trial.constraints for trial in trials)
    _check_files(records)
    _check_front(front_json(run_cli, tmp_path / "r"), trials)


def _check_files(records):
    """The file behind a point is the file that was measured."""
    for record in records:
        assert onnx.load(record["artifact"]).graph.node
        size = record["quantities"]["model_size_bytes"]["value"]
        assert Path(record["artifact"]).stat().st_size == size


def _check_front(found, trials):
    """What Optuna is told is what the front shows."""
    for point in found["points"]:
        values = [point["values"][name] for name in found["objectives"]]
        assert trials[point["trial"]].values == pytest.approx(values)
        assert set(point["provenance"].values()) == {"measured"}
        assert not point["confirmed"]


def test_a_run_goes_on_to_a_larger_total(tiny_space, run_cli, tmp_path):
    space = tiny_space()
    assert run_cli("run", "--space", space, "--run", "r", "--trials", 2).returncode == 0
    before = [trial.params for trial in study_of(tmp_path / "r").trials]
    assert run_cli("run", "--space", space, "--run", "r", "--trials", 4).returncode == 0
    after = study_of(tmp_path / "r").trials
    assert [trial.params for trial in after[:2]] == before
    assert len(after) == 4
    again = run_cli("run", "--space", space, "--run", "r", "--trials", 4)
    assert again.returncode == 0
    assert len(study_of(tmp_path / "r").trials) == 4


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
    return [line for line in lines if WORKER in line or "evaluators.build_worker" in line]


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


TROUBLE = """
import ctypes
import time

from tiny_workload import Tiny


class Troubled(Tiny):
    \"\"\"Fine until the fourth step of fine-tuning.\"\"\"

    steps = None

    def model(self):
        found = super().model()
        self.steps = 0
        return found

    def loss(self, outputs, targets):
        if self.steps is not None:
            self.steps += 1
            if self.steps > 3:
                self.trouble()
        return super().loss(outputs, targets)


class Crashes(Troubled):
    def trouble(self):
        ctypes.string_at(0)


class Hangs(Troubled):
    def trouble(self):
        time.sleep(3600)


class Hoards(Troubled):
    def trouble(self):
        hoard = []
        while True:
            hoard.append(bytearray(2**26))
"""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Crashes", r"crashed with SIGSEGV"),
        ("Hangs", r"took longer than 15 s"),
        ("Hoards", r"out of memory: the limit is 3072 MiB"),
    ],
)
def test_a_workload_in_trouble_costs_its_trials_and_not_the_study(
    tiny_space, run_cli, tmp_path, name, reason
):
    (tmp_path / "trouble.py").write_text(TROUBLE)
    space = tiny_space(
        {
            "workload": f"trouble.py:{name}",
            "search.sparsity": 0.25,
            "search.precision": ["fp32"],
            "search.distillation": {"epochs": [0, 1]},
            "limits": {"stage_timeout": "15s", "memory": "3GiB"},
            "budget.trials": 4,
        }
    )
    done = run_cli("run", "--space", space, "--run", "r", "--seed", 1)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    found = front_json(run_cli, tmp_path / "r")
    failures = [other["failure"] for other in found["others"] if other["failure"]]
    assert failures
    assert all(re.search(reason, failure["reason"]) for failure in failures)
    assert {failure["stage"] for failure in failures} == {"compress"}
    assert finished(tmp_path / "r") == 4
    assert re.search(reason, run_cli("front", "--run", "r", "--all", env=WIDE).stdout)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(signal.SIGSEGV, "crashed with SIGSEGV"), (signal.SIGSTOP, "took longer than 10 s")],
)
def test_an_engine_process_in_trouble_costs_its_trial_and_not_the_study(
    tiny_space, start, tmp_path, sent, reason
):
    """No shipped engine has a known crash or hang, so its real process is sent the signal."""
    space = tiny_space({"limits": {"stage_timeout": "10s"}})
    process = start("--space", space, "--run", "r", "--trials", 4)
    wait_for_line(process, "trial 0")
    hunter = threading.Thread(target=_shoot_worker, args=(process, sent))
    hunter.start()
    assert "rejected at" in wait_for_line(process, reason)
    hunter.join()
    process.stdout.read()
    assert process.wait(timeout=60) == 0
    assert sorted(states(tmp_path / "r")) == ["COMPLETE"] * 3 + ["PRUNED"]


def _shoot_worker(process, sent):
    while process.poll() is None:
        for child in psutil.Process(process.pid).children():
            if WORKER in child.cmdline():
                child.send_signal(sent)
                return
