"""The Python API over one real search of two engines, one of which refuses what it is asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import plotly.graph_objects as go
import pytest
import yaml

import search
from search.errors import UsageError
from search.events import ConfirmationStarted, TrialFinished
from spaces.errors import SpaceError

TRIALS = 4
"""Each engine with each precision, in the order of the space."""
REFUSED = "onnxruntime.execution_mode: parallel needs at least 2 threads"


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    here = Path(__file__).parent
    shutil.copy(here / "tiny_workload.py", folder)
    document = yaml.safe_load((here / "tiny.yaml").read_text())
    document["device"]["engines"] = ["openvino", "onnxruntime"]
    flags = document["search"]["engine_flags"]
    flags["onnxruntime"]["execution_mode"] = "parallel"
    flags["openvino"] = {"threads": 1, "streams": 0, "performance_hint": "latency"}
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def session(space, search_cache, tmp_path_factory):
    """Return a search's results and the events that it sent."""
    events = []
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return search.run(space, folder, trials=TRIALS, observe=events.append), events


@pytest.fixture(scope="module")
def results(session):
    return session[0]


def test_a_search_tells_its_observer_and_writes_its_outputs(session):
    results, events = session
    assert sum(isinstance(event, TrialFinished) for event in events) == TRIALS
    written = {path.name for path in results.folder.iterdir()}
    assert {"study.db", "report.html", "front.csv", "trials.csv"} <= written


def test_what_is_loaded_is_what_was_returned(results):
    loaded = search.load(results.folder)
    assert type(loaded) is type(results)
    assert loaded.trials().equals(results.trials())
    assert str(loaded) == str(results)


def test_runs_are_compared_as_the_command_does(results):
    compared = search.compare(results.folder, results.folder)
    assert "What to ship" in str(compared)
    assert compared._repr_html_().startswith("<pre")
    assert compared.baselines()["latency_p90_ms_ratio"].tolist() == [1.0, 1.0]
    measured = results.trials()["latency_p90_ms"].notna().sum()
    assert len(compared.shared()) == 2 * measured
    with pytest.raises(UsageError, match="needs two runs or more, but got 1"):
        search.compare(results.folder)


def test_the_same_call_finds_nothing_left_to_do(space, results):
    again = search.run(space, results.folder, trials=TRIALS, timeout="10m")
    assert again.trials().equals(results.trials())


def test_every_trial_has_a_row_a_failed_one_with_its_reason(results):
    trials = results.trials()
    assert trials["trial"].tolist() == list(range(TRIALS))
    refused = trials[trials["engine"] == "onnxruntime"]
    assert refused["outcome"].tolist() == ["rejected", "rejected"]
    assert refused["failure_reason"].str.startswith(REFUSED).all()
    assert refused["latency_p90_ms"].isna().all()


def test_the_front_is_measured_and_says_so(results):
    front = results.front()
    assert set(front["engine"]) == {"openvino"}
    for name in ("latency_p90_ms", "model_size_mib", "accuracy"):
        assert (front[name] > 0).all()
        assert set(front[f"{name}_provenance"]) == {"measured"}


def test_the_baseline_is_the_unpruned_model_on_the_first_engine(results):
    baseline = results.baseline()
    assert (baseline["engine"], baseline["precision"]) == ("openvino", "fp32")
    assert (baseline["sparsity"], baseline["latency_p90_ms_provenance"]) == (0.0, "measured")


def test_the_recommended_trial_keeps_the_budgets(results):
    front = results.front()
    smallest = front["model_size_mib"].min()
    best = results.recommend(model_size_mib=smallest, accuracy_drop=1.0)
    assert best["model_size_mib"] == smallest
    assert results.recommend()["trial"] in front["trial"].tolist()
    with pytest.raises(UsageError, match=r"no trial keeps model_size_mib <= 0 \(the best has"):
        results.recommend(model_size_mib=0)


def test_failures_are_grouped_by_reason(results):
    failures = results.failures()
    assert failures["count"].tolist() == [2]
    assert failures["reason"].str.startswith(REFUSED).all()


def test_figures_show_the_measured_trials(results):
    names = {trace.name for trace in results.plot_front().data}
    assert {"on the front", "baseline"} <= names
    assert len(results.plot_parallel().data[0].line.color) == 2
    assert len(results.plot_hypervolume().data[0].x) == TRIALS
    assert len(results.plot_effect("precision", "model_size_mib").data[0].y) == 2
    assert isinstance(results.plot_drift(), go.Figure)
    assert results.knobs()["parameter"].tolist() == ["precision"]


def test_a_trial_is_exported_by_its_number(results, tmp_path):
    best = results.recommend()
    folder = results.export(best["trial"], tmp_path / "bundle")
    bundle = json.loads((folder / "bundle.json").read_text())
    assert bundle["artifact_sha256"] == best["artifact_sha256"]


def test_a_trial_that_failed_cannot_be_exported(results, tmp_path):
    failed = results.failures()["trials"][0][0]
    with pytest.raises(UsageError, match=rf"trial {failed} wasn't \(rejected: {REFUSED}"):
        results.export(failed, tmp_path / "bundle")


def test_confirming_gives_the_front_anew(results, tmp_path):
    copied = search.load(shutil.copytree(results.folder, tmp_path / "run"))
    assert not copied.front()["confirmed"].any()
    events = []
    confirmed = copied.confirm(observe=events.append)
    assert any(isinstance(event, ConfirmationStarted) for event in events)
    assert confirmed.front()["confirmed"].all()
    assert "Confirmed" in str(search.load(copied.folder))


def test_a_space_is_validated(space, search_cache):
    search.validate(space)
    with pytest.raises(SpaceError, match="sparsity"):
        search.validate(space, ["search.sparsity=2"])
    with pytest.raises(UsageError, match="flag of this engine"):
        search.validate(space, ["search.engine_flags.openvino.speed=9"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"trials": 0}, "--trials must be 1 or more, but got 0"),
        ({"seed": -1}, "--seed must be 0 or more, but got -1"),
        ({"timeout": "soon"}, "--timeout must be a duration"),
        ({"until": "25:00"}, "--until must be a time of day"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_happens(space, tmp_path, wrong, said):
    with pytest.raises(UsageError, match=said):
        search.run(space, tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--run must be the folder of a run"):
        search.load(tmp_path)
