from __future__ import annotations

import numpy as np
import pytest

from evaluators import scoring
from evaluators.scoring import figures_of
from spaces.workload import Workload


class Scored(Workload):
    """Only scored: nothing else of it is used here."""

    def model(self):
        raise AssertionError

    example_inputs = calibration_batches = validation_batches = test_batches = model
    train_batches = model

    def score(self, outputs, targets):
        return (outputs[0] == targets).astype(float)


class Whole(Scored):
    def score(self, outputs, targets):
        return float((outputs[0] == targets).mean())


TARGETS = np.arange(50) % 5
ANSWERS = np.where(np.arange(50) < 40, TARGETS, 9)


def test_scores_per_sample_are_passed_on():
    (scores,) = figures_of(Scored(), [ANSWERS], TARGETS)
    assert scores.tolist() == [1.0] * 40 + [0.0] * 10


def test_a_figure_of_the_whole_set_comes_with_its_resamples():
    figure, resampled = figures_of(Whole(), [ANSWERS], TARGETS)
    assert figure == pytest.approx(0.8)
    assert resampled.shape == (scoring.RESAMPLES,)
    assert resampled.std() == pytest.approx(np.sqrt(0.8 * 0.2 / 50), rel=0.2)


def test_two_models_are_resampled_alike():
    _, first = figures_of(Whole(), [ANSWERS], TARGETS)
    _, second = figures_of(Whole(), [np.where(np.arange(50) < 39, TARGETS, 9)], TARGETS)
    lost = first - second
    assert lost.min() >= 0.0
    assert lost.mean() == pytest.approx(0.02, abs=0.006)  # four standard errors


def test_a_slow_metric_gets_fewer_resamples_and_never_too_few(monkeypatch):
    monkeypatch.setattr(scoring, "RESAMPLING_LIMIT_S", -1.0)
    _, resampled = figures_of(Whole(), [ANSWERS], TARGETS)
    assert len(resampled) == scoring.FEWEST_RESAMPLES
