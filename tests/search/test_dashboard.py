"""What optuna-dashboard finds of a trial, through Optuna's own storage and artifact store."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.distributions import FloatDistribution

from evaluators.store import ArtifactStore
from search import feedback
from search.dashboard import Dashboard
from search.records import Failure
from search.samplers import make_sampler
from search.study_attributes import PROVENANCE

BYTES = b"the very bytes that were measured"


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def model(store):
    """Return the path of a model in the store, which nothing holds."""

    def build(out_dir):
        (out_dir / "model.tflite").write_bytes(BYTES)
        return {}

    return store.get_or_build("compile", {"name": "a"}, build).path / "model.tflite"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "artifacts"


@pytest.fixture
def shown(study, build, folder):
    """Return a function that shows and tells one record, and returns the trial."""

    def show(record):
        live = study()
        trial = live.ask()
        Dashboard(folder).show(trial, record, build.objectives())
        feedback.tell(live, trial, record, build.objectives())
        return live, live.trials[0]

    return show


@pytest.fixture
def offered(shown, build):
    """Return a function that offers a file for a trial and returns what Optuna lists."""

    def offer(path):
        live, trial = shown(build.record(artifact=path and str(path)))
        return get_all_artifact_meta(trial, storage=live._storage)

    return offer


def read(folder, artifact_id):
    with FileSystemArtifactStore(folder).open_reader(artifact_id) as file:
        return file.read()


def test_a_trial_s_file_has_its_name_and_its_bytes(offered, model, folder):
    (found,) = offered(model)
    assert found.filename == "model.tflite"
    assert read(folder, found.artifact_id) == BYTES


def test_a_file_takes_no_room_and_is_gone_when_the_store_evicts_it(offered, model, folder, store):
    (found,) = offered(model)
    assert (folder / found.artifact_id).readlink() == model
    assert len(store.prune(1)) == 1
    with pytest.raises(ArtifactNotFound, match="not found"):
        read(folder, found.artifact_id)


def test_what_the_dashboard_removes_stays_in_the_store(offered, model, folder):
    (found,) = offered(model)
    FileSystemArtifactStore(folder).remove(found.artifact_id)
    assert model.read_bytes() == BYTES
    assert list(folder.iterdir()) == []


def test_a_trial_without_a_file_has_none(offered, folder):
    assert offered(None) == []
    assert list(folder.iterdir()) == []


def test_a_file_that_was_evicted_meanwhile_does_not_end_the_run(offered, model, folder, store):
    store.prune(1)
    offered(model)
    assert list(folder.iterdir()) == []


def test_where_the_file_system_has_no_links_it_is_a_copy(offered, model, folder, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (found,) = offered(model)
    assert not (folder / found.artifact_id).is_symlink()
    assert read(folder, found.artifact_id) == BYTES


def test_a_full_disk_is_left_to_what_is_told_next(study, build, model, small_disk, fill_disk):
    dashboard = Dashboard(small_disk / "artifacts")
    fill_disk(small_disk)
    dashboard.show(study().ask(), build.record(artifact=str(model)), build.objectives())
    assert all(each.is_symlink() for each in (small_disk / "artifacts").iterdir())  # and no half


@pytest.mark.parametrize(
    ("violations", "overshoot"), [({}, 0), ({"a": -0.5}, 0), ({"a": 0.5, "b": -0.5, "c": 1.0}, 1.5)]
)
def test_a_trial_s_overshoot_stands_where_the_dashboard_looks(shown, build, violations, overshoot):
    _, trial = shown(build.record(violations=violations))
    assert trial.system_attrs["constraints"] == [overshoot]
    assert violations.items() <= trial.constraints.items()


def test_the_provenance_of_every_objective_is_shown(shown, build):
    gated = Failure("gated", "trial 3 would dominate it", "benchmark")
    _, trial = shown(build.record(None, failure=gated))
    assert trial.user_attrs[PROVENANCE] == {
        "latency_p90_ms": "unavailable: no meter here",
        "peak_memory_mib": "measured",
        "accuracy": "measured",
    }


def test_a_trial_that_was_never_measured_has_no_provenance(shown, build):
    _, trial = shown(build.failed("rejected"))
    assert PROVENANCE not in trial.user_attrs
    assert trial.system_attrs["constraints"] == [10.0]


def test_the_sampler_proposes_what_it_would_without_a_dashboard(study, build, folder):
    proposed = []
    for dashboard in (None, Dashboard(folder)):
        live, sparsity = study(), FloatDistribution(0, 1)
        for number in range(40):
            live.sampler = make_sampler(0, number)
            trial = live.ask({"sparsity": sparsity})
            x = trial.params["sparsity"]
            broken = {"a": x - 0.7, "b": 0.3 - x, "c": x - 0.4}
            record = build.record(1 - x, 1 + x, x * (1 - x), violations=broken)
            if dashboard is not None:
                dashboard.show(trial, record, build.objectives())
            feedback.tell(live, trial, record, build.objectives())
        proposed.append([trial.params["sparsity"] for trial in live.trials])
    assert proposed[0] == proposed[1]
