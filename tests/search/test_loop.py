"""Whole runs: confirmation, the canary, and time that is kept back for them."""

from __future__ import annotations

import pytest

from search import api
from search.canary import Canary
from search.drift import CanaryReading, is_drift
from search.events import StageStarted
from search.front import pareto_front
from search.study_attributes import run_of_study
from tests.search.runs import front_json, study_of

ROUNDS = {"measuring.rounds": 3}


def test_a_run_ends_with_a_confirmed_front_and_more_trials_make_it_a_search_again(
    tiny_space, run_cli, tmp_path
):
    space = tiny_space(ROUNDS)
    assert run_cli("run", "--space", space, "--run", "r", "--trials", 2).returncode == 0
    again = run_cli("run", "--space", space, "--run", "r", "--trials", 2)
    assert "confirming the front" not in again.stdout  # it is confirmed already
    done = run_cli("run", "--space", space, "--run", "r", "--trials", 3)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("confirming the front") == 1
    assert "Confirmed: medians of 3 fresh processes" in done.stdout
    found = front_json(run_cli, tmp_path / "r")
    assert found["points"]
    for point in found["points"]:
        assert (point["confirmed"], point["rounds"]) == (True, 3)
        assert point["moved"]["latency_p90_ms"] > 0
        assert point["moved"]["accuracy"] == 1.0
        assert point["test"]["provenance"] == "measured"
        low, high = point["intervals"]["latency_p90_ms"]
        assert low < point["values"]["latency_p90_ms"] < high
    told = study_of(tmp_path / "r").trials[found["points"][0]["trial"]]
    assert told.values[0] != found["points"][0]["values"]["latency_p90_ms"]


def test_confirm_measures_the_front_of_a_finished_run_by_its_space_file(
    tiny_space, run_cli, tmp_path
):
    space = tiny_space()
    changed = ("--set", "search.sparsity=0.25")  # which confirm has to know of
    done = run_cli("run", "--space", space, "--run", "r", "--trials", 2, *changed)
    assert done.returncode == 0, done.stderr
    before = front_json(run_cli, tmp_path / "r")
    assert not any(point["confirmed"] for point in before["points"])
    done = run_cli("confirm", "--run", "r", "--plain")
    assert done.returncode == 0, done.stderr
    after = front_json(run_cli, tmp_path / "r")
    assert all(point["confirmed"] for point in after["points"])
    csv = (tmp_path / "r" / "trials.csv").read_text()
    assert "latency_p90_ms_moved" in csv.splitlines()[0]

    text = space.read_text()
    space.write_text(text.replace("name: tiny", "name: changed", 1))
    assert "must be a folder of 'changed'" in _refused(run_cli)
    space.unlink()
    assert "isn't there any more. Put it back." in _refused(run_cli)


def _refused(run_cli):
    done = run_cli("confirm", "--run", "r")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_front_that_is_empty_cannot_be_confirmed(tiny_space, run_cli):
    space = tiny_space({"constraints": {"latency_p90_ms": {"max": 1e-6}}})
    assert run_cli("run", "--space", space, "--run", "r", "--trials", 1).returncode == 1
    done = run_cli("confirm", "--run", "r")
    assert done.returncode == 2
    assert "confirm needs a front" in done.stderr


@pytest.mark.measures  # a reading that was disturbed is no reference
def test_the_baseline_is_timed_again_between_trials(tiny_space, run_cli, tmp_path):
    space = tiny_space({"measuring.canary_interval": "0.01s"})
    done = run_cli("run", "--space", space, "--run", "r", "--trials", 2)
    assert done.returncode == 0, done.stderr
    readings = run_of_study(study_of(tmp_path / "r")).canary
    assert [reading.trials for reading in readings][-2:] == [1, 2]
    assert done.stdout.count("canary: the baseline takes") == len(readings)
    assert all(reading.ratio > 0 for reading in readings)


def test_the_front_of_a_drifted_stretch_is_measured_again_once_it_is_over(
    tiny_space, tmp_path, monkeypatch
):
    ratios = iter([1.0, 1.2, 1.2, 1.0])  # before each of three trials, and after them
    monkeypatch.setattr(Canary, "is_due", property(lambda _: True))
    monkeypatch.setattr(
        Canary, "read", lambda _, trials, __: CanaryReading(trials, next(ratios), float(trials))
    )
    events = []
    api.run(tiny_space(), tmp_path / "r", observe=events.append)
    again = {e.trial for e in events if isinstance(e, StageStarted) and e.trial.endswith("again")}
    found = run_of_study(study_of(tmp_path / "r"))
    members = {trial.number for trial in pareto_front(found)}
    assert again
    assert again >= {f"trial {number}, again" for number in members}
    for trial in found.trials:
        is_marked = any(map(is_drift, trial.record.flags))
        assert is_marked is (f"trial {trial.number}, again" not in again)
