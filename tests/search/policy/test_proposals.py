from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.proposals import Neighbours


@pytest.fixture
def near(rich):
    return Neighbours(rich, np.random.default_rng(0))


@pytest.fixture
def pruned(rich):
    grouped = isinstance(rich.sparsity, dict)
    sparsity = {"stem": 0.25, "stage2": 0.5, "head": 0.0} if grouped else 0.5
    return rich.nearest(replace(rich.nearest(Candidate("onnxruntime", "int8")), sparsity=sparsity))


def test_training_goes_on_at_every_rung_above(near, pruned):
    one = replace(pruned, distillation=Distillation(1, 4.0, 0.2))
    assert [c.distillation.epochs for c in near.more_training(pruned)] == [1, 2, 4]
    assert [c.distillation.epochs for c in near.more_training(one)] == [2, 4]
    assert not list(near.more_training(replace(one, distillation=Distillation(4, 4.0, 0.2))))


def test_what_is_not_pruned_is_not_trained(near, rich):
    assert not list(near.more_training(rich.nearest(Candidate("onnxruntime", "int8"))))


def test_flags_change_one_at_a_time(near, rich, pruned):
    changed = list(near.other_flags(pruned, ()))
    assert changed
    for candidate in changed:
        assert candidate.sparsity == pruned.sparsity
        before, after = pruned.params(), candidate.params()
        assert sum(before[name] != after[name] for name in before) <= 1
        assert rich.params_of(candidate) is not None


def test_a_model_is_run_as_another_is(near, rich, pruned):
    other = rich.nearest(Candidate("openvino", "bf16"))
    found = next(iter(near.other_flags(pruned, [other])))
    assert (found.engine, found.precision, found.flags) == ("openvino", "bf16", other.flags)
    assert found.sparsity == pruned.sparsity


def test_widths_change_a_little_trained_or_not(near, rich, pruned):
    trained = replace(pruned, distillation=Distillation(2, 4.0, 0.2))
    found = list(near.other_widths(trained))
    assert {c.distillation for c in found} == {None, trained.distillation}
    for candidate in found:
        assert candidate.sparsity != pruned.sparsity
        assert rich.params_of(candidate) is not None


def test_neighbours_stay_in_the_space_at_its_ends(whole):
    near = Neighbours(whole, np.random.default_rng(0))
    start = whole.nearest(Candidate("onnxruntime", "int8"))
    assert sorted({c.sparsity for c in near.other_widths(start)}) == [0.05, 0.1]
