from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.candidate import Candidate, Distillation
from search.policy.answers import KnownAnswers

MODEL = Candidate("openvino", "int8", 0.5)
ENOUGH = 19  # one in twenty may come out better than all of them


@pytest.fixture
def answers():
    """Return what models answered whose metrics change by so much with each of other flags."""

    def make(*changes, engine="openvino"):
        known = KnownAnswers()
        for number, change in enumerate(changes):
            model = Candidate(engine, "int8", number / 1000)
            known.learn(model, -0.9)
            known.learn(replace(model, flags={"threads": 2}), -0.9 + change)
        return known

    return make


def test_a_model_may_come_out_better_by_what_one_in_twenty_did(answers):
    known = answers(*[0.0] * (2 * ENOUGH - 2), -0.001, -0.002, 0.004)
    known.learn(MODEL, -0.8)
    assert known.hoped_cost(replace(MODEL, flags={"threads": 2})) == pytest.approx(-0.801)


def test_the_best_of_a_model_counts(answers):
    known = answers(*[0.0] * ENOUGH)
    for metric_cost in (-0.8, -0.85, -0.82):
        known.learn(MODEL, metric_cost)
    assert known.hoped_cost(MODEL) <= -0.85


@pytest.mark.parametrize(
    ("count", "engine", "other"),
    [
        (ENOUGH - 1, "openvino", MODEL),
        (ENOUGH, "onnxruntime", MODEL),
        (ENOUGH, "openvino", replace(MODEL, precision="fp32")),
        (ENOUGH, "openvino", replace(MODEL, distillation=Distillation(2, 4.0, 0.5))),
        (ENOUGH, "openvino", replace(MODEL, quantization={"per_channel": True})),
    ],
    ids=["too few", "another engine", "another precision", "trained", "quantized otherwise"],
)
def test_what_says_nothing_of_a_model(answers, count, engine, other):
    known = answers(*[0.0] * count, engine=engine)
    known.learn(MODEL, -0.8)
    assert known.hoped_cost(other) is None
