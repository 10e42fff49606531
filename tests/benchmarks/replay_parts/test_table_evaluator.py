from dataclasses import replace

import pytest

from benchmarks.replay_parts.grid import PLAIN, RECONSTRUCTED
from benchmarks.replay_parts.recorded_plan import recorded_plan
from benchmarks.replay_parts.table_evaluator import TableEvaluator
from benchmarks.replay_parts.virtual_clock import VirtualClock
from evaluators.candidate import Candidate, Distillation

FLAGS = {
    "threads": 1,
    "graph_optimization": "all",
    "execution_mode": "sequential",
    "spinning": True,
}
TUNED = Candidate("onnxruntime", "int8", 0.5, Distillation(2, 6.0, 0.5), {}, FLAGS)
WHOLE_S = 0.5 + 20.0 + 2.0 + 1.0 + 0.5 + 2.0 + 0.25  # prune, distill, export, quantize, ...
MEASURED_S = 2.25


def _evaluator(table, start=PLAIN, *, remembers=True):
    return TableEvaluator(table, VirtualClock(lambda: 0.0), start, remembers)


def _spent_s(evaluator, candidate):
    before = evaluator.clock.now_s()
    evaluator.evaluate(candidate, "")
    return evaluator.clock.now_s() - before


def test_what_was_built_before_costs_nothing(table):
    evaluator = _evaluator(table)
    assert _spent_s(evaluator, TUNED) == pytest.approx(WHOLE_S)
    assert _spent_s(evaluator, TUNED) == pytest.approx(MEASURED_S)
    other_flag = replace(TUNED, flags={**FLAGS, "threads": 2})
    assert _spent_s(evaluator, other_flag) == pytest.approx(MEASURED_S + 0.5)
    other_precision = replace(TUNED, precision="fp32")
    assert _spent_s(evaluator, other_precision) == pytest.approx(MEASURED_S + 0.5)
    other_epochs = replace(TUNED, distillation=Distillation(1, 6.0, 0.5))
    assert _spent_s(evaluator, other_epochs) == pytest.approx(WHOLE_S - 0.5 - 10.0)


def test_without_a_store_every_trial_pays_everything(table):
    evaluator = _evaluator(table, remembers=False)
    assert [_spent_s(evaluator, TUNED) for _ in range(2)] == pytest.approx([WHOLE_S] * 2)


def test_what_a_run_computes_once_costs_once(table):
    evaluator = _evaluator(table, RECONSTRUCTED)
    evaluator.evaluate(TUNED, "")
    evaluator.evaluate(replace(TUNED, sparsity=0.7), "")
    spent_s = evaluator.clock.spent_s
    assert spent_s["dense_targets"] == 3.0
    assert spent_s["teacher_outputs"] == 3.0  # of two epochs
    assert spent_s["reconstruct"] == 2.0
    assert spent_s["distill"] == 40.0
    evaluator.evaluate(replace(TUNED, distillation=Distillation(4, 6.0, 0.5)), "")
    assert spent_s["teacher_outputs"] == 3.0 + 6.0 / 2  # two of four epochs were kept
    assert spent_s["reconstruct"] == 2.0


def test_a_record_has_the_pipelines_own_stages(table):
    evaluator = _evaluator(table, RECONSTRUCTED)
    first, second = (evaluator.evaluate(TUNED, "") for _ in range(2))
    assert first.stage_seconds["compress"] == pytest.approx(0.5 + 3.0 + 1.0)
    assert first.stage_seconds["distill"] == pytest.approx(20.0 + 3.0)
    assert not first.found_stages
    assert set(second.stage_seconds) == {"benchmark", "score"}
    assert second.found_stages == ["compress", "distill", "export", "quantize", "compile"]


def test_the_start_decides_the_accuracy(table):
    plain, reconstructed = (
        _evaluator(table, start).evaluate(TUNED, "").quantities["accuracy_drop"].value
        for start in (PLAIN, RECONSTRUCTED)
    )
    assert plain == pytest.approx(0.4 / 9, abs=0.006)  # rounded to whole samples
    assert reconstructed == pytest.approx(0.4 / 36, abs=0.006)


def test_what_the_engine_refuses_costs_nothing(table):
    evaluator = _evaluator(table)
    flags = {**FLAGS, "execution_mode": "parallel"}
    record = evaluator.evaluate(replace(TUNED, flags=flags), "")
    assert record.failure is not None
    assert "needs at least 2 threads" in record.failure.reason
    assert evaluator.clock.now_s() == 0


def test_a_baseline_is_measured_in_three_processes(table):
    evaluator = _evaluator(table)
    evaluator.evaluate_baseline(recorded_plan(table).baseline)
    assert evaluator.clock.spent_s["benchmark"] == pytest.approx(3 * 2.0)
