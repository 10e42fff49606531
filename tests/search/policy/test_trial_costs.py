from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.trial_costs import TrialCosts, stages_of

SECONDS = {
    "compress": 1.0,
    "distill": 8.0,
    "export": 2.0,
    "quantize": 0.5,
    "compile": 0.25,
    "benchmark": 1.5,
    "score": 0.1,
}


@pytest.fixture
def costs(whole):
    return TrialCosts(whole.engines)


@pytest.fixture
def trained(whole):
    """Return an int8 model of one of the space's engines, trained for two epochs."""
    first = whole.nearest(Candidate("onnxruntime", "int8"))
    return replace(first, sparsity=0.5, distillation=Distillation(2, 4.0, 0.2))


def record(build, stages=SECONDS, found=()):
    return build.record(stage_seconds=dict(stages), found_stages=list(found))


def test_what_was_built_costs_nothing_again(build, costs, trained):
    costs.learn(trained, record(build))
    assert costs.expected_s(trained) == pytest.approx(1.6)
    other = replace(trained, flags={**trained.flags, "threads": 3})
    assert costs.expected_s(other) == pytest.approx(1.6 + 0.25)


def test_training_is_counted_by_the_epoch(build, costs, trained):
    costs.learn(trained, record(build))
    longer = replace(trained, distillation=Distillation(4, 4.0, 0.2))
    assert costs.training_s(longer) == pytest.approx(16.0)
    assert costs.training_s(trained) == 0
    # Pruned already; exported, quantized and compiled anew.
    assert costs.expected_s(longer) == pytest.approx(16 + 2 + 0.5 + 0.25 + 1.6)


def test_what_an_epoch_takes_is_known_once_a_model_was_trained(build, costs, trained):
    costs.learn(trained, record(build, found=["distill"]))
    assert not costs.has_seen_training
    costs.learn(replace(trained, sparsity=0.6), record(build))
    assert costs.has_seen_training


def test_a_stage_that_was_found_says_nothing_of_what_it_costs(build, costs, trained):
    costs.learn(trained, record(build))
    quick = {**SECONDS, "compress": 0.001}
    costs.learn(replace(trained, flags={}), record(build, quick, ["compress"]))
    fresh = replace(trained, sparsity=0.6, distillation=None)
    assert costs.expected_s(fresh) == pytest.approx(1 + 2 + 0.5 + 0.25 + 1.6)


def test_another_engine_is_taken_to_be_like_those_known(build, costs, trained, whole):
    costs.learn(trained, record(build))
    other = replace(whole.nearest(Candidate("openvino", "fp32")), sparsity=0.5)
    assert costs.expected_s(other) == pytest.approx(2 + 0.25 + 1.6)


def test_a_pattern_makes_another_model_and_dense_is_none(patterned):
    unnamed = patterned.nearest(Candidate("tensorrt", "fp16"))
    stages = {
        pattern: stages_of(replace(unnamed, sparsity_pattern=pattern), patterned.engines)
        for pattern in (None, "dense", "2:4")
    }
    assert stages[None] == stages["dense"]
    for name, stage in stages["2:4"].items():
        assert (stage.key == stages["dense"][name].key) is (stage.key is None)


def test_unpruned_models_share_a_prefix_whatever_the_pruning_options(whole):
    plain = whole.nearest(Candidate("onnxruntime", "fp32"))
    other = replace(plain, importance="l1", round_to=16)
    engines = whole.engines
    assert stages_of(plain, engines)["compress"] == stages_of(other, engines)["compress"]
