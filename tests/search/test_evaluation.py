"""The evaluator over a scripted pipeline and bench: gates, samples of repeats, retries."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from evaluators.built import Measured
from evaluators.candidate import Candidate, Distillation
from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.measurement import Quantity
from search.evaluation import Evaluator
from search.retries import DEVICE_RETRIES

SAMPLES = 4000
ACCURACY = {"accuracy": Quantity(0.9, "1", "mean score per sample", "measured")}
UNTRAINED = Candidate("openvino", "int8", 0.5)
TRAINED = Candidate("openvino", "int8", 0.5, Distillation(2, 4.0, 0.5))


class ScriptedPipeline:
    """Builds at once, and remembers what; failures come first."""

    def __init__(self, *failures, digest="abc"):
        self.failures, self.built, self.digest = list(failures), [], digest

    def build(self, candidate, clock):
        with clock.stage("compress"):
            self.built.append(candidate)
            if self.failures:
                raise self.failures.pop(0)
        compiled = SimpleNamespace(facts={"metrics": {}, "notes": []})
        return SimpleNamespace(
            candidate=candidate,
            compiled=compiled,
            facts={},
            artifact="model.bin",
            artifact_sha256=self.digest,
        )


class ScriptedBench:
    """Measures 1 ms the first time, 2 ms the second, ..."""

    workload = SimpleNamespace(metric="accuracy", direction="maximize")

    def __init__(self):
        self.times, self.answered, self.answers_take_s = 0, 0, 1.0

    def probe(self, built, clock):
        return self._measured(built, clock, {})

    def reference(self, _split):
        return [np.ones(SAMPLES)]

    def measure(self, built, clock, within_s=None):
        is_scored = within_s is None or self.answers_take_s <= within_s
        return self._measured(built, clock, ACCURACY if is_scored else {})

    def answers_s(self, _measured):
        return self.answers_take_s

    def scores(self, _built, clock):
        with clock.stage("score"):
            self.answered += SAMPLES
        return ACCURACY

    def sample_scores(self, _built, clock, samples):
        """Say that every tenth sample is answered wrongly."""
        with clock.stage("score"):
            self.answered += len(samples)
            return (samples % 10 > 0).astype(float)

    def scores_of(self, _built, score):
        scores = score.scores[score.seen]
        method = "mean score per sample"
        return {"accuracy": Quantity(scores.mean(), "1", method, "measured", n=len(scores))}

    def _measured(self, _built, clock, more):
        with clock.stage("benchmark"):
            self.times += 1
        value_s = self.times / 1e3
        latency = Quantity(value_s, "s", "p90", "measured", value_s, value_s, n=100)
        memory = Quantity(4e6, "B", "VmHWM", "measured")
        numbers = {"latency_p90_s": latency, "peak_memory_bytes": memory, **more}
        return Measured(numbers, [f"flag {self.times}"], {"samples": str(self.times)})


@pytest.fixture
def evaluator(build):
    def make(*failures, digest="abc"):
        pipeline = ScriptedPipeline(*failures, digest=digest)
        return Evaluator(pipeline, ScriptedBench(), build.objectives(), lambda _event: None)

    return make


def test_what_is_refused_is_never_trained_and_keeps_what_was_measured(evaluator):
    found = evaluator()
    asked = []

    def refuse(record):
        asked.append(record)
        return "trial 3 would dominate it"

    record = found.evaluate(TRAINED, "trial 7", refuse)
    assert found.pipeline.built == [UNTRAINED]
    assert (record.failure.kind, record.failure.reason) == ("gated", "trial 3 would dominate it")
    assert record.params == TRAINED.params()
    assert set(record.quantities) == {"latency_p90_s", "peak_memory_bytes"}
    assert asked[0].quantities == record.quantities
    assert asked[0].quantities["latency_p90_s"].low < 0.001  # an interval for a fresh process
    assert set(record.stage_seconds) == {"compress", "benchmark"}
    assert record.artifact is None


def test_what_is_not_refused_is_trained_and_measured(evaluator):
    found = evaluator()
    record = found.evaluate(TRAINED, "trial 7", lambda _record: None)
    assert found.pipeline.built == [UNTRAINED, TRAINED]
    assert record.failure is None
    assert record.quantities["accuracy"].value == 0.9
    assert record.quantities["latency_p90_s"].value == 0.002


def test_without_a_gate_nothing_is_probed(evaluator):
    found = evaluator()
    found.evaluate(TRAINED, "trial 7")
    assert found.pipeline.built == [TRAINED]


def test_a_repeat_adds_samples(evaluator):
    found = evaluator()
    first = found.evaluate(TRAINED, "trial 1")
    second = found.evaluate(TRAINED, "trial 2", None, first)
    third = found.evaluate(TRAINED, "trial 3", None, second)
    latency = third.quantities["latency_p90_s"]
    assert (latency.value, latency.n) == (pytest.approx(0.002), 300)
    assert latency.method == "p90, mean of 3"
    assert third.facts["processes"] == [{"samples": "1"}, {"samples": "2"}, {"samples": "3"}]
    assert third.flags == ["flag 1", "flag 2", "flag 3"]


def test_a_repeat_of_what_is_not_timed_adds_nothing(evaluator):
    found = evaluator()
    estimate = {"latency_p50_s": Quantity(0.001, "s", "told", "estimated: vela")}
    scripted = found.bench._measured
    found.bench._measured = lambda built, clock, more: scripted(built, clock, more | estimate)
    first = found.evaluate(TRAINED, "trial 1")
    second = found.evaluate(TRAINED, "trial 2", None, first)
    assert second.quantities["latency_p50_s"] == estimate["latency_p50_s"]
    assert len(second.facts["processes"]) == 1


def test_samples_of_another_file_are_not_added(evaluator):
    before = evaluator().evaluate(TRAINED, "trial 1")
    found = evaluator(digest="other")
    assert found.evaluate(TRAINED, "trial 2", None, before).quantities["latency_p90_s"].n == 100


def test_a_device_that_is_gone_for_good_fails_the_trial(evaluator):
    found = evaluator(*[DeviceLost("unplugged")] * (DEVICE_RETRIES + 1))
    assert found.evaluate(TRAINED, "trial 1").failure.is_transient
    assert found.evaluate(TRAINED, "trial 2").failure is None


def test_a_refusal_is_a_record_with_its_stage(evaluator):
    record = evaluator(CandidateRejected("no such op")).evaluate(TRAINED, "trial 1")
    assert (record.failure.kind, record.failure.stage) == ("rejected", "compress")
    assert record.failure.is_unbuildable


def test_a_long_split_is_scored_part_by_part_until_a_gate_has_seen_enough(evaluator):
    found = evaluator()
    found.bench.answers_take_s = 600.0
    looks = []

    def refuse(record, best_metric, seen):
        looks.append((best_metric, seen))
        assert "accuracy" not in record.quantities
        return None if best_metric > 0.92 else "trial 3 would dominate it"

    record = found.evaluate(TRAINED, "trial 7", refuse_score=refuse)
    assert (record.failure.kind, record.failure.stage) == ("gated", "score")
    assert looks[0] == (math.inf, "0 of 4,000 samples")
    assert [seen for _, seen in looks[1:]] == ["500 of 4,000 samples", "1,000 of 4,000 samples"]
    assert found.bench.answered == record.quantities["accuracy"].n == 1000


def test_a_long_split_that_no_gate_stops_is_scored_as_a_whole(evaluator):
    found = evaluator()
    found.bench.answers_take_s = 600.0
    record = found.evaluate(TRAINED, "trial 7", refuse_score=lambda *_: None)
    assert record.failure is None
    assert found.bench.answered == record.quantities["accuracy"].n == SAMPLES
    assert record.quantities["accuracy"].value == pytest.approx(0.9)


def test_a_short_split_is_answered_at_once(evaluator):
    found = evaluator()
    record = found.evaluate(TRAINED, "trial 7", refuse_score=lambda *_: "never asked")
    assert record.failure is None
    assert found.bench.answered == 0


def test_known_answers_that_cannot_help_are_not_waited_for(evaluator):
    found = evaluator()
    found.bench.answers_take_s = 2.0
    asked = []

    def refuse(record):
        asked.append(record)
        return "trial 3 would dominate it"

    record = found.evaluate(TRAINED, "trial 7", refuse_answers=refuse)
    assert (record.failure.kind, record.failure.stage) == ("gated", "score")
    assert record.failure.reason == "trial 3 would dominate it"
    assert set(record.quantities) == {"latency_p90_s", "peak_memory_bytes"}
    assert asked[0].quantities == record.quantities
    assert (found.bench.times, found.bench.answered) == (1, 0)


@pytest.mark.parametrize(("take_s", "times_looked_at"), [(2.0, 0), (600.0, 4)])
def test_known_answers_that_may_help_are_asked_for_part_by_part_if_that_takes_long(
    evaluator, take_s, times_looked_at
):
    found = evaluator()
    found.bench.answers_take_s = take_s
    looks = []
    record = found.evaluate(
        TRAINED, "trial 7", None, None, lambda *_: looks.append(1), lambda _record: None
    )
    assert record.failure is None
    assert record.quantities["accuracy"].value == 0.9
    assert (found.bench.times, found.bench.answered) == (1, SAMPLES)
    assert len(looks) == times_looked_at


def test_known_answers_that_take_less_than_a_process_of_their_own_are_taken(evaluator):
    found = evaluator()
    found.bench.answers_take_s = 0.5
    record = found.evaluate(TRAINED, "trial 7", refuse_answers=lambda _record: "never asked")
    assert record.failure is None
