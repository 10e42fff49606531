"""What changes the key of a stage, and what doesn't; no converter runs here."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from evaluators import pipeline, recipe
from evaluators.candidate import Candidate, Distillation
from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.engines import load_engine
from evaluators.failures import CandidateRejected
from evaluators.framing import Message
from evaluators.pipeline import Pipeline
from evaluators.stage_clock import StageClock
from evaluators.store import ArtifactStore
from evaluators.workload_facts import WorkloadFacts

STAGES = ["compress", "distill", "export", "quantize", "compile"]


class WritingBuilder:
    """Writes a file that tells what it was made from, as a build worker would."""

    def __init__(self):
        self.built, self.turn, self.kept = [], nullcontext(), 8

    def run(self, kind, *, out_dir, **body):
        self.built.append(kind)
        model = body.pop("model", None)
        body.pop("teacher_outputs", None)  # folders, whose names say nothing of what is in them
        source = (Path(model) / "made").read_text() if model else ""
        (Path(out_dir) / "made").write_text(f"{kind} {body} <- {source}")
        return Message({"batches": self.kept}, [])


class WritingDevice(LocalDevice):
    def __init__(self):
        super().__init__("here", Limits(60.0, 2**30))
        self.flags = []

    def run(self, job):
        self.flags.append(job["flags"])
        (Path(job["out_dir"]) / "made").write_text((Path(job["model"]) / "made").read_text())
        return Message({"artifact": "made", "metrics": {}, "notes": []}, [])


@pytest.fixture
def line(tmp_path):
    workload = WorkloadFacts("code and data", "accuracy", "maximize", {}, True, ())
    store = ArtifactStore(tmp_path / "store")
    provenance = {"onnxruntime": "measured"}
    return Pipeline(workload, WritingBuilder(), WritingDevice(), store, 1, 0, provenance)


@pytest.fixture
def candidate():
    return Candidate(
        engine="onnxruntime",
        precision="int8",
        flags={"threads": 1, "execution_mode": "sequential"},
        sparsity=0.5,
        importance="l2",
        round_to=8,
        distillation=Distillation(epochs=1, temperature=2.0, alpha=0.5),
        quantization={"per_channel": True},
    )


def built_anew(line, candidate):
    """Return the stages that had to be built."""
    clock = StageClock(lambda _: None)
    line.build(candidate, clock)
    return [stage for stage in STAGES if stage not in clock.found]


def test_the_same_again_builds_nothing(line, candidate):
    assert built_anew(line, candidate) == STAGES
    assert built_anew(line, candidate) == []


def test_what_is_built_says_by_what_its_pruned_model_is_known(line, candidate):
    clock = StageClock(lambda _: None)
    trained, untrained, wider = (
        line.build(each, clock).facts["compress"]["digest"]
        for each in (
            candidate,
            replace(candidate, distillation=None, precision="fp32"),
            replace(candidate, sparsity=0.25),
        )
    )
    assert trained == untrained != wider


@pytest.mark.parametrize(("kept", "spans"), [(8, 3), (0, 1)], ids=["some", "too much"])
def test_what_the_teacher_says_is_kept_by_spans_until_it_is_too_much(line, candidate, kept, spans):
    line.builder.kept = kept
    line.build(replace(candidate, distillation=Distillation(4, 2.0, 0.5)), StageClock(print))
    assert line.builder.built.count("teacher_outputs") == spans


def test_code_and_data_of_the_workload_count(line, candidate):
    built_anew(line, candidate)
    changed = replace(line, workload=replace(line.workload, fingerprint="other"))
    # What comes out the same is then compiled already.
    assert built_anew(changed, candidate) == ["compress", "distill", "export", "quantize"]


def test_the_batch_size_counts_from_the_export_on(line, candidate):
    built_anew(line, candidate)
    assert built_anew(replace(line, batch_size=4), candidate) == ["export", "quantize", "compile"]


def test_a_stand_in_runs_the_file_that_is_meant_for_it(line, candidate, monkeypatch):
    monkeypatch.setattr(type(load_engine("onnxruntime")), "stand_in_artifact", "portable")
    stand_in = replace(line, provenance={"onnxruntime": "measured: on X instead of Y"})
    built = [each.build(candidate, StageClock(lambda _: None)) for each in (line, stand_in)]
    assert [each.compiled.facts["artifact"] for each in built] == ["made", "portable"]


def test_the_seed_counts_where_it_is_used(line, candidate):
    built_anew(line, candidate)
    assert built_anew(replace(line, seed=1), candidate)[0] == "compress"


@pytest.mark.parametrize(
    ("library", "first"),
    [
        ("torch-pruning", "compress"),
        ("numpy", "compress"),
        ("onnxscript", "export"),
        ("nncf", "quantize"),
        ("onnxruntime", "quantize"),
    ],
)
def test_a_librarys_version_counts(line, candidate, monkeypatch, library, first):
    built_anew(line, candidate)
    versions = recipe._version
    monkeypatch.setattr(
        recipe, "_version", lambda name: "99" if name == library else versions(name)
    )
    assert built_anew(line, candidate)[0] == first


def test_another_build_of_the_runtime_counts(line, candidate, monkeypatch):
    built_anew(line, candidate)
    engine = load_engine("onnxruntime")
    monkeypatch.setattr(engine, "installed_distribution", lambda: "onnxruntime-gpu")
    assert built_anew(line, candidate)[0] == "quantize"


def test_the_host_that_trains_counts(line, candidate, monkeypatch):
    built_anew(line, candidate)
    monkeypatch.setattr(pipeline, "machine_fingerprint", lambda: "another processor")
    assert built_anew(line, candidate)[:3] == STAGES[:3]


def test_a_flag_of_the_engine_costs_a_compilation_only(line, candidate):
    built_anew(line, candidate)
    assert built_anew(line, replace(candidate, flags={**candidate.flags, "threads": 2})) == [
        "compile"
    ]


def test_a_pattern_of_zeros_counts_from_the_start_and_reaches_the_compiler(
    line, candidate, monkeypatch
):
    engine = type(load_engine("onnxruntime"))
    monkeypatch.setattr(engine, "sparsity_patterns", {"2:4": {"sparse_weights": True}})
    seen = []
    monkeypatch.setattr(engine, "refusal", lambda _self, _precision, flags: seen.append(flags))
    built_anew(line, candidate)
    built_anew(line, replace(candidate, sparsity_pattern="dense"))
    assert line.device.flags == [candidate.flags]
    assert built_anew(line, replace(candidate, sparsity_pattern="2:4")) == STAGES
    sparse = {**candidate.flags, "sparse_weights": True}
    assert line.device.flags == [candidate.flags, sparse]
    assert seen == [candidate.flags, candidate.flags, sparse]


def test_a_refused_stage_is_not_tried_again(line, candidate):
    def refuse(kind, **_):
        line.builder.built.append(kind)
        raise CandidateRejected("op FOO is not supported.")

    line.builder.run = refuse
    for remembered in ("^op FOO is not supported.$", "Remembered from an earlier try"):
        with pytest.raises(CandidateRejected, match=remembered) as caught:
            line.build(candidate, StageClock(lambda _: None))
        assert caught.value.stage == "compress"
    assert line.builder.built == ["compress"]
