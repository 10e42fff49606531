from __future__ import annotations

import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.training import TrainingGains


def model(epochs, sparsity=0.5, precision="int8"):
    distillation = Distillation(epochs, 4.0, 0.5) if epochs else None
    return Candidate("openvino", precision, sparsity, distillation)


def test_a_rung_is_expected_to_close_what_rungs_have_closed():
    gains = TrainingGains()
    optimistic = gains.expected_cost(-0.80, -0.90, 1)
    for sparsity in (0.3, 0.4, 0.5, 0.6):
        gains.learn(model(0, sparsity), -0.80, -0.90)
        gains.learn(model(1, sparsity), -0.82, -0.90)  # a fifth of the distance
    expected = gains.expected_cost(-0.80, -0.90, 1)
    assert -0.90 < optimistic < expected < -0.82


def test_rungs_differ():
    gains = TrainingGains()
    for sparsity in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        gains.learn(model(0, sparsity), -0.80, -0.90)
        gains.learn(model(1, sparsity), -0.88, -0.90)
        gains.learn(model(2, sparsity), -0.88, -0.90)
    assert gains.expected_cost(-0.80, -0.90, 1) < gains.expected_cost(-0.80, -0.90, 2) - 0.02


def test_other_precisions_are_lines_of_their_own():
    gains, fresh = TrainingGains(), TrainingGains()
    gains.learn(model(0, precision="fp32"), -0.80, -0.90)
    gains.learn(model(1, precision="int8"), -0.80, -0.90)
    assert gains.expected_cost(-0.8, -0.9, 1) == fresh.expected_cost(-0.8, -0.9, 1)


def test_what_is_the_best_already_gains_nothing():
    assert TrainingGains().expected_cost(-0.95, -0.90, 4) == pytest.approx(-0.95)
