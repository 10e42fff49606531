"""Whole runs of models that crash, hang and eat memory: it costs their trials, not the study."""

import shutil
from pathlib import Path

import pytest

from tests.search.runs import study_of

WIDE = {"COLUMNS": "200"}
CRASHES = "crashed with SIGSEGV."
HANGS = "took longer than 20 s."
HOARDS = "out of memory: the limit is 3072 MiB."


@pytest.fixture
def failures_of(tiny_space, run_cli, tmp_path):
    """Run a troubled workload; return the beginning of every trial's failure, None without one."""
    shutil.copy(Path(__file__).with_name("troubled_workload.py"), tmp_path)

    def run(name, seed, changes):
        common = {
            "workload": f"troubled_workload.py:{name}",
            "limits": {"stage_timeout": "20s", "memory": "3GiB"},
            "search.precision": ["fp32"],
            "search.pruning": {"round_to": 4},  # of 16 channels 12, 8 or 4 are left
        }
        space = tiny_space({**common, **changes})
        done = run_cli("run", "--space", space, "--run", "r", "--seed", seed)
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode == 0, done.stdout + done.stderr
        shown = run_cli("front", "--run", "r", "--all", env=WIDE).stdout
        records = [trial.user_attrs["record"] for trial in study_of(tmp_path / "r").trials]
        return [_seen(record["failure"], shown) for record in records]

    return run


def _seen(failure, shown):
    """Return a failure's stage and first sentence, which ``front --all`` has to show."""
    if failure is None:
        return None
    text = f"{failure['stage']}: {failure['reason']}".partition(". ")[0].rstrip(".") + "."
    assert text in shown
    return text


@pytest.mark.parametrize(
    ("workload", "reason"),
    [("TrainingCrashes", CRASHES), ("TrainingHangs", HANGS), ("TrainingHoards", HOARDS)],
)
def test_training_in_trouble_costs_its_trial_and_not_the_study(failures_of, workload, reason):
    changes = {
        "search.sparsity": [0, 0.25],
        "search.distillation": {"epochs": 1},
        "budget.trials": 3,
    }
    found = failures_of(workload, 1, changes)
    assert found[0] is None
    assert set(found[1:]) == {f"distill: {reason}", None}


def test_an_engine_in_trouble_costs_its_trials_and_not_the_study(failures_of):
    changes = {
        "device.engines": ["openvino"],
        "search.engine_flags": {
            "openvino": {"threads": 1, "streams": 0, "performance_hint": "latency"}
        },
        "search.sparsity": [0, 0.25, 0.5, 0.75],
        "search.distillation": {"epochs": 0},
        "budget.trials": 5,
    }
    assert failures_of("Engine", 25, changes) == [
        None,
        f"benchmark: {CRASHES}",
        f"compile: {HOARDS}",
        f"benchmark: {HANGS}",
        None,
    ]
