from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.candidate import Candidate

PLAIN = Candidate("tensorrt", "fp16", flags={"streams": 2})


def test_a_candidate_without_a_choice_of_patterns_shows_none():
    assert PLAIN.params() == {
        "engine": "tensorrt",
        "precision": "fp16",
        "sparsity": 0.0,
        "distillation.epochs": 0,
        "tensorrt.streams": 2,
    }


@pytest.mark.parametrize("pattern", ["dense", "2:4"])
def test_a_chosen_pattern_is_shown(pattern):
    chosen = replace(PLAIN, sparsity_pattern=pattern)
    assert chosen.params() == {**PLAIN.params(), "sparsity_pattern": pattern}


@pytest.mark.parametrize(
    ("sparsity", "pattern", "loses_channels", "has_pattern"),
    [
        (0.0, None, False, False),
        (0.0, "dense", False, False),
        (0.0, "2:4", False, True),
        (0.5, "dense", True, False),
        ({"stem": 0.0, "head": 0.25}, "2:4", True, True),
        ({"stem": 0.0}, None, False, False),
    ],
)
def test_channels_that_go_and_zeros_in_a_pattern_are_both_pruning(
    sparsity, pattern, loses_channels, has_pattern
):
    candidate = replace(PLAIN, sparsity=sparsity, sparsity_pattern=pattern)
    assert candidate.loses_channels is loses_channels
    assert candidate.has_pattern is has_pattern
    assert candidate.is_pruned is (loses_channels or has_pattern)
    assert ("pruning.round_to" in candidate.params()) is loses_channels
