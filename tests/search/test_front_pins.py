"""A front's files stay in the store while the run's folder is there."""

import random
from pathlib import Path

import pytest

from evaluators.failures import DiskFull
from evaluators.store import ArtifactStore
from evaluators.store_eviction import pinned_keys
from search.errors import UsageError
from search.events import BaselineMeasured, FrontConfirmed, Notice, TrialFinished
from search.front import pareto_front
from search.front_pins import FrontPins


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def artifact_of(store):
    """Return a function that builds an artifact of a name and returns its path."""

    def build(name):
        entry = store.get_or_build("compile", {"name": name}, lambda d: writing(d, name))
        return entry.path / "model.bin"

    return build


def writing(out_dir, text):
    (out_dir / "model.bin").write_text(text)
    return {}


@pytest.fixture
def run_of(build, artifact_of):
    """Return a function that makes a run of artifacts by name, each with its latency."""

    def make(latencies, baseline=None):
        records = [
            build.record(ms, artifact=str(artifact_of(name))) for name, ms in latencies.items()
        ]
        return build.run(*records, baseline=baseline)

    return make


def finished(run):
    return TrialFinished(run.trials[-1], run, len(run.trials), 9, None)


def test_every_event_is_passed_on(store, run_dir, run_of):
    seen = []
    observe = FrontPins(store, run_dir, seen.append)
    events = [Notice("x"), finished(run_of({"a": 1.0}))]
    for event in events:
        observe(event)
    assert seen == events


def test_the_front_outlives_an_eviction_and_what_left_it_does_not(store, run_dir, run_of):
    observe = FrontPins(store, run_dir, lambda _: None)
    observe(finished(run_of({"slow": 3.0})))
    run = run_of({"slow": 3.0, "fast": 1.0})
    observe(finished(run))
    store.prune(1)
    assert [Path(trial.record.artifact).exists() for trial in run.trials] == [False, True]


def test_the_baseline_stays_too(store, run_dir, build, artifact_of):
    baseline = build.record(9.0, artifact=str(artifact_of("baseline")))
    run = build.run(baseline=baseline)
    FrontPins(store, run_dir, lambda _: None)(BaselineMeasured(baseline, run))
    assert store.prune(1) == []


def test_a_confirmed_front_replaces_the_one_that_was_searched(store, run_dir, run_of, artifact_of):
    observe = FrontPins(store, run_dir, lambda _: None)
    before = run_of({"a": 1.0})
    observe(finished(before))
    observe(FrontConfirmed(run_of({"b": 1.0}), before))
    assert pinned_keys(store.root) == {artifact_of("b").parent.name}


def test_nothing_is_written_while_the_front_is_the_same(store, run_dir, run_of):
    observe = FrontPins(store, run_dir, lambda _: None)
    observe(finished(run_of({"a": 1.0})))
    (pin,) = (store.root / "pins").iterdir()
    pin.unlink()
    observe(finished(run_of({"a": 1.0, "worse": 2.0})))
    assert not list((store.root / "pins").iterdir())


def test_a_full_disk_is_told_as_the_evaluator_tells_it(store, run_dir, run_of, monkeypatch):
    def full(*_):
        raise DiskFull("the store can't be written: no space left on device.")

    monkeypatch.setattr(store, "pin", full)
    with pytest.raises(UsageError, match=r"no space left on device\. Every finished trial is kept"):
        FrontPins(store, run_dir, lambda _: None)(finished(run_of({"a": 1.0})))


def test_trial_by_trial_the_pins_are_those_of_the_whole_front(store, run_dir, build):
    chosen = random.Random(0)
    observe = FrontPins(store, run_dir, lambda _: None)
    records = []
    for number in range(60):
        numbers = [chosen.uniform(1, 3) for _ in range(2)]
        records.append(build.record(*numbers, 0.9, artifact=f"/s/{number}/model.bin"))
        run = build.run(*records)
        observe(finished(run))
        wanted = {Path(trial.record.artifact).parent.name for trial in pareto_front(run)}
        assert pinned_keys(store.root) == wanted
