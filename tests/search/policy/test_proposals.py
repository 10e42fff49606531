from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.proposals import Neighbours
from spaces.dimensions import Choice


@pytest.fixture
def near(rich):
    return Neighbours(rich, np.random.default_rng(0))


@pytest.fixture
def pruned(rich):
    grouped = isinstance(rich.sparsity, dict)
    sparsity = {"stem": 0.25, "stage2": 0.5, "head": 0.0} if grouped else 0.5
    return rich.nearest(replace(rich.nearest(Candidate("onnxruntime", "int8")), sparsity=sparsity))


def test_the_rungs_are_those_of_the_space(near, rich, pruned):
    assert near.ladder == (0, 1, 2, 4)
    for epochs in near.ladder[1:]:
        trained = near.trained(pruned, epochs)
        assert trained.distillation.epochs == epochs
        assert rich.params_of(trained) is not None
        assert replace(trained, distillation=None) == pruned


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


@pytest.fixture
def sparse(patterned):
    nearest = patterned.nearest(Candidate("tensorrt", "fp16"))
    return patterned.nearest(replace(nearest, sparsity=0.5, sparsity_pattern="2:4"))


def test_a_pattern_is_left_or_taken_trained_or_not(patterned, sparse):
    near = Neighbours(patterned, np.random.default_rng(0))
    tuning = Distillation(2, 4.0, 0.2)
    found = list(near.other_patterns(replace(sparse, distillation=tuning)))
    dense = replace(sparse, sparsity_pattern="dense")
    assert found == [replace(dense, distillation=tuning), dense]
    assert list(near.other_patterns(dense)) == [sparse]
    elsewhere = patterned.nearest(Candidate("onnxruntime", "fp32"))
    assert list(near.other_patterns(elsewhere)) == []


def test_an_engine_without_kernels_for_a_pattern_does_not_run_it(patterned, sparse):
    near = Neighbours(patterned, np.random.default_rng(0))
    dense = replace(sparse, sparsity_pattern="dense")
    elsewhere = patterned.nearest(Candidate("openvino", "bf16", sparsity=0.5))
    others = [dense, elsewhere, patterned.nearest(replace(sparse, precision="int8"))]
    for candidate, engines in (
        (sparse, {"tensorrt"}),
        (dense, {"tensorrt", "openvino"}),
        (elsewhere, {"tensorrt", "openvino"}),
    ):
        found = list(near.other_flags(candidate, others))
        assert {each.engine for each in found} == engines
        for each in found:
            assert each.has_pattern == candidate.has_pattern
            assert patterned.candidate_of(patterned.params_of(each)) == each


def test_a_trained_model_is_trained_otherwise_and_an_untrained_one_is_not(near, rich, pruned):
    assert list(near.other_epochs(pruned)) == list(near.other_tuning(pruned)) == []
    trained = replace(pruned, distillation=Distillation(2, 4.0, 0.2))
    longer, otherwise = list(near.other_epochs(trained)), list(near.other_tuning(trained))
    assert {candidate.epochs for candidate in longer} == {1, 4}
    assert {candidate.epochs for candidate in otherwise} == {2}
    assert len({candidate.distillation.temperature for candidate in otherwise}) > 2
    assert {candidate.distillation.alpha for candidate in otherwise} == {0.1, 0.2, 0.3}
    for candidate in (*longer, *otherwise):
        assert replace(candidate, distillation=None) == pruned
        assert rich.params_of(candidate) is not None


def test_neighbours_stay_in_the_space_at_its_ends(whole):
    near = Neighbours(whole, np.random.default_rng(0))
    start = whole.nearest(Candidate("onnxruntime", "int8"))
    assert sorted({c.sparsity for c in near.other_widths(start)}) == [0.05, 0.1]


@pytest.mark.parametrize("sparsity", [0.15, 0.35, 0.7])
def test_neighbours_are_what_the_study_will_say_of_them(whole, sparsity):
    """Else a candidate that was measured would be taken for a new one, over and over."""
    near = Neighbours(whole, np.random.default_rng(0))
    start = whole.nearest(Candidate("onnxruntime", "int8", sparsity=sparsity))
    for candidate in (*near.other_widths(start), *near.other_flags(start, ())):
        assert whole.candidate_of(whole.params_of(candidate)) == candidate


def test_a_model_is_tried_in_other_power_modes(whole):
    slow, fast = "governor:powersave", "governor:performance"
    space = replace(whole, power_mode=Choice((slow, fast)))
    near = Neighbours(space, np.random.default_rng(0))
    start = space.nearest(Candidate("onnxruntime", "int8", power_mode=slow))
    found = [each for each in near.other_flags(start, ()) if each.power_mode == fast]
    assert found == [replace(start, power_mode=fast)]
    (as_it_is,) = {each.power_mode for each in near.other_flags(found[0], [start])} - {fast}
    assert as_it_is == slow
