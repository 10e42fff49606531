"""Candidates that are one another under another name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.pruned_models import PrunedModels

HALF = Candidate("openvino", "int8", 0.5, None, {}, {"threads": 1})


@pytest.fixture
def models(build):
    """Return what is known once sparsities of 0.5 and 0.6 came to one model and 0.7 to another."""
    found = PrunedModels()
    for sparsity, digest in ((0.5, "a"), (0.6, "a"), (0.7, "b")):
        facts = {"compress": {"digest": digest}}
        found.learn(replace(HALF, sparsity=sparsity), build.record(facts=facts))
    return found


def test_a_model_is_called_as_it_was_met_first(models):
    called = [models.first_way_to(replace(HALF, sparsity=s)).sparsity for s in (0.5, 0.6, 0.7, 0.8)]
    assert called == [0.5, 0.5, 0.7, 0.8]
    assert [way.sparsity for way in models.ways_to(HALF)] == [0.5, 0.6]


def test_all_but_the_pruning_stays_as_it_is(models):
    trained = replace(
        HALF, sparsity=0.6, distillation=Distillation(2, 4.0, 0.5), flags={"threads": 2}
    )
    assert models.first_way_to(trained) == replace(trained, sparsity=0.5)


def test_how_channels_are_chosen_belongs_to_the_name(models, build):
    other = replace(HALF, sparsity=0.6, importance="l1", round_to=8)
    assert models.first_way_to(other) == other
    models.learn(other, build.record(facts={"compress": {"digest": "b"}}))
    assert models.first_way_to(other) == replace(HALF, sparsity=0.7)


def test_groups_of_layers_are_called_together(build):
    found = PrunedModels()
    groups = [{"stem": 0.0, "head": 0.1}, {"stem": 0.0, "head": 0.2}]
    for each in groups:
        facts = {"compress": {"digest": "a"}}
        found.learn(replace(HALF, sparsity=each), build.record(facts=facts))
    assert found.first_way_to(replace(HALF, sparsity=groups[1])).sparsity == groups[0]


def test_what_was_not_built_says_nothing(build):
    found = PrunedModels()
    found.learn(HALF, build.failed("rejected"))
    assert found.ways_to(HALF) == [HALF]
