"""The stages that make a float model, in a real child over a real store."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evaluators.builder import Builder, WorkloadSource
from evaluators.candidate import Candidate, Distillation
from evaluators.child_process import Limits
from evaluators.compress.prune import load_compressed
from evaluators.devices.local import LocalDevice
from evaluators.pipeline import Pipeline
from evaluators.stage_clock import StageClock
from evaluators.store import ArtifactStore
from evaluators.workload_facts import WorkloadFacts
from tests.search.tiny_workload import net

TINY = Path(__file__).parents[1] / "search" / "tiny_workload.py"
LIMITS = Limits(60.0, 8 * 2**30)
PRUNED = Candidate("onnxruntime", "fp32", sparsity=0.5)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workload")
    shutil.copy(TINY, folder)
    source = WorkloadSource("tiny_workload.py:Tiny", folder, folder / "teachers")
    builder = Builder(source, LIMITS)
    yield builder
    builder.close()


@pytest.fixture
def stages(builder, tmp_path):
    """Return the entries of a candidate, and the clock that saw them made or found."""
    workload = WorkloadFacts(**{**builder.run("describe").body, "modules": ()})
    store, device = ArtifactStore(tmp_path), LocalDevice("here", LIMITS)
    pipeline = Pipeline(workload, builder, device, store, 1, 0, {"onnxruntime": "measured"})

    def run(epochs, *, alpha=0.5, sparsity=0.5, pattern=None):
        clock = StageClock(lambda _name: None)
        distillation = Distillation(epochs, 4.0, alpha) if epochs else None
        candidate = replace(
            PRUNED, sparsity=sparsity, sparsity_pattern=pattern, distillation=distillation
        )
        return pipeline.compress_and_distill(candidate, clock), clock

    return run


def kept_spans(root):
    return len(list((root / "teacher_outputs").glob("*/*")))


def test_every_rung_starts_from_the_same_reconstructed_model(stages):
    compressed, clock = stages(0)
    assert (list(compressed), list(clock.seconds), clock.found) == (["compress"], ["compress"], [])
    facts = compressed["compress"].facts
    assert facts["pruning"]["channel_sparsity"] > 0.4
    assert facts["reconstruction"]["treated"]["3"]["after"] < 0.9
    one, clock = stages(1)
    assert (list(one), clock.found) == (["compress", "distill"], ["compress"])
    assert one["compress"].digest == compressed["compress"].digest
    assert one["distill"].digest != one["compress"].digest
    two, clock = stages(2)
    assert clock.found == ["compress"], "two epochs aren't one epoch and one more"
    assert two["distill"].facts["distillation"]["steps"] == 16
    _, clock = stages(2)
    assert clock.found == ["compress", "distill"]


def test_students_share_what_the_teacher_said(stages, tmp_path):
    for alpha, sparsity in ((0.5, 0.5), (0.9, 0.5), (0.5, 0.25)):
        entries, _ = stages(1, alpha=alpha, sparsity=sparsity)
        report = entries["distill"].facts["distillation"]
        assert report["kept_steps"] == report["steps"] == 8
    assert kept_spans(tmp_path) == 1
    stages(4)
    assert kept_spans(tmp_path) == 3
    entries, _ = stages(3)  # all but its last span are those of two epochs
    assert kept_spans(tmp_path) == 4
    report = entries["distill"].facts["distillation"]
    assert report["kept_steps"] == report["steps"] == 24
    stages(2)
    assert kept_spans(tmp_path) == 4


def test_without_a_teacher_nothing_is_kept_of_it(stages, tmp_path):
    entries, _ = stages(1, alpha=0.0)
    assert entries["distill"].facts["distillation"]["kept_steps"] == 0
    assert kept_spans(tmp_path) == 0


def test_a_model_in_a_pattern_is_another_one_and_stays_in_it(stages):
    dense, _ = stages(1)
    _, clock = stages(1, pattern="dense")
    assert clock.found == ["compress", "distill"]
    entries, clock = stages(1, pattern="2:4")
    assert clock.found == []
    assert entries["compress"].digest != dense["compress"].digest
    facts = entries["compress"].facts
    assert set(facts["sparsity_pattern"]["treated"]) == {"3", "8"}
    assert facts["sparsity_pattern"]["left"] == {"0": "its 1 input channels are no multiple of 4"}
    assert facts["pattern_reconstruction"]["treated"]["3"]["after"] < 0.9
    for entry in entries.values():
        model = load_compressed(net(), entry.path / "model.pt")
        for layer in (model[3], model[8]):
            fours = layer.weight.detach().movedim(1, -1).unflatten(-1, (-1, 4))
            assert ((fours != 0).sum(-1) <= 2).all()


def test_an_unpruned_model_gets_a_pattern_too(stages):
    entries, _ = stages(0, sparsity=0.0, pattern="2:4")
    facts = entries["compress"].facts
    assert "reconstruction" not in facts
    assert set(facts["sparsity_pattern"]["treated"]) == {"3", "8"}


def test_an_unpruned_model_is_not_reconstructed(stages):
    entries, _ = stages(0, sparsity=0.0)
    assert "reconstruction" not in entries["compress"].facts
