import optuna
import pytest

from benchmarks.plain_optuna import SAMPLERS, search_plainly
from benchmarks.replay_parts.grid import PLAIN
from benchmarks.replay_parts.recorded_plan import recorded_plan
from benchmarks.replay_parts.table import read_table
from benchmarks.replay_parts.table_evaluator import TableEvaluator
from benchmarks.replay_parts.virtual_clock import VirtualClock
from search.state import StudyState
from tests.benchmarks.replay_parts.tables import write_formula_table


@pytest.fixture
def state(tmp_path):
    table = read_table(write_formula_table(tmp_path / "table.json.gz"))
    plan = recorded_plan(table)
    evaluator = TableEvaluator(table, VirtualClock(), PLAIN, remembers=False)
    study = optuna.create_study(directions=[o.direction for o in plan.objectives])
    made = StudyState(plan, study, 0, evaluator, lambda _: None)
    made.set_baseline(evaluator.evaluate(plan.baseline, "baseline"))
    return made


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_trial_is_told_with_its_constraints(state, name):
    ended = []
    search_plainly(
        state,
        lambda candidate: state.evaluator.evaluate(candidate, ""),
        SAMPLERS[name](0),
        may_go_on=lambda: len(ended) < 15,
        ended=ended.append,
    )
    trials = state.study.trials
    assert [trial.number for trial in ended] == [trial.number for trial in trials]
    assert all(trial.state.is_finished() for trial in trials)
    bounds = {"accuracy", "latency_p90_ms", "unbuildable"}
    assert all(bounds <= set(trial.constraints) for trial in trials)
