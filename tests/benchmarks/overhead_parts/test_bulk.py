from __future__ import annotations

import optuna
import pytest

from benchmarks.overhead_parts.bulk import add_trials

KEPT = ("number", "state", "values", "params", "distributions", "user_attrs", "system_attrs")


@pytest.fixture(autouse=True)
def _quiet_optuna():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def make_study(url=None):
    return optuna.create_study(storage=url, directions=["minimize", "maximize"])


@pytest.fixture
def trials():
    """Return trials of every kind that a run has."""
    study = make_study()
    study.enqueue_trial({"sparsity": 0.25})
    for number in range(4):
        trial = study.ask()
        trial.suggest_float("sparsity", 0.0, 0.5, step=0.25)
        trial.suggest_categorical("precision", ["fp32", "int8"])
        trial.suggest_float("temperature", 1, 10, log=True)
        trial.set_constraint("accuracy", 0.1 * number)
        trial.set_user_attr("record", {"params": {"engine": "openvino"}, "flags": [number, None]})
        if number == 2:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, [0.1 + number, 1 / 3])
    return study.trials


def test_optuna_reads_them_as_it_reads_its_own(tmp_path, trials):
    ours, theirs = (make_study(f"sqlite:///{tmp_path}/{name}.db") for name in ("ours", "theirs"))
    for study in (ours, theirs):  # one is there already
        study.tell(study.ask(), [1.0, 2.0])
    add_trials(tmp_path / "ours.db", trials)
    theirs.add_trials(trials)
    assert len(ours.trials) == 5
    for found, expected in zip(ours.trials[1:], theirs.trials[1:], strict=True):
        assert {n: getattr(found, n) for n in KEPT} == {n: getattr(expected, n) for n in KEPT}
        assert found.constraints == expected.constraints
        assert (found.datetime_start, found.datetime_complete) == (
            expected.datetime_start,
            expected.datetime_complete,
        )
    assert ours.ask().number == 5
