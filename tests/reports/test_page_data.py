from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.candidates import candidates
from reports.page_data import budget_label, page_data
from search.records import Confirmation
from spaces.objectives import ACCURACY, OBJECTIVES

FOLDER = Path("/runs/nuc")


@pytest.fixture
def data(small_run):
    return page_data(small_run, candidates(small_run), FOLDER)


def test_rows_are_the_trials_then_the_baseline(data):
    assert data["trial"] == [0, 1, 2, 3, 4, None]
    assert data["outcome"] == [
        "on the front", "on the front", "dominated", "breaks a constraint", "failed", "baseline",
    ]  # fmt: skip
    assert data["onFront"] == [1, 1, 0, 0, 0, 0]
    assert data["exportable"] == [1, 1, 1, 1, 0, 0]
    assert data["chosen"] == 1


def test_what_budgets_can_let_in_again_has_a_rank_and_what_failed_has_none(data):
    assert data["rank"] == [2, 1, 3, 0, None, None]


def test_what_breaks_a_bound_that_no_budget_stands_for_has_no_rank(build):
    run = build.run(build.record(violations={"power_w": 0.5}), build.record(2.0))
    assert page_data(run, candidates(run), FOLDER)["rank"] == [None, 0]


def test_once_confirmed_only_the_confirmed_can_be_best(build):
    confirmed = build.record(2.0, confirmation=Confirmation(3, {"latency_p90_s": 2e-3}))
    run = build.run(build.record(1.0), confirmed)
    assert page_data(run, candidates(run), FOLDER)["rank"] == [None, 0]


def test_a_budget_of_a_cost_is_its_upper_bound_and_that_of_the_metric_a_drop(data):
    latency, memory, accuracy = data["budgets"]
    assert (latency["bound"], latency["sign"], latency["baseline"]) == (5.0, 1, 1.0)
    assert memory["bound"] is None
    assert (accuracy["bound"], accuracy["sign"]) == (0.05, 1)
    assert accuracy["values"] == [0.02, 0.03, 0.04, 0.06, None, 0.01]


def test_without_a_reference_the_metric_itself_is_the_budget(build):
    run = build.run(build.record(), reference_metric=None)
    budget = page_data(run, candidates(run), FOLDER)["budgets"][2]
    assert (budget["bound"], budget["sign"], budget["values"]) == (0.91, -1, [0.95])
    assert budget_label(run, ACCURACY) == "accuracy"


def test_a_budget_is_named_after_what_it_limits(small_run):
    assert budget_label(small_run, ACCURACY) == "accuracy drop"
    assert budget_label(small_run, OBJECTIVES["latency_p90_ms"]) == "latency p90"


def test_the_command_has_a_place_for_the_number_of_the_trial(data):
    command = "7".join(data["command"])
    assert command == "python -m search export --run /runs/nuc --trial 7 --out nuc-trial-7"


def test_lines_are_kept_once(data):
    assert len(set(data["lines"])) == len(data["lines"])
    first = [data["lines"][place] for place in data["hover"][0]]
    assert first[:2] == ["trial 0, on the front", "latency p90: 0.500 ms (0.50x)"]


def test_a_hostile_name_is_one_word_of_the_command_and_no_path(evil_run):
    data = page_data(evil_run, candidates(evil_run), Path("/runs/$(touch x) '"))
    command = "0".join(data["command"])
    assert "--run '/runs/$(touch x) '\"'\"'' --trial 0" in command
    assert command.endswith("--out bold-red-script-img-src-x-onerror-alert-1-31m-trial-0")
    json.dumps(data, allow_nan=False)
