from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from search.run_directory import open_storage
from search.samplers import STARTUP_TRIALS, make_sampler


def told_trial(number, study, space):
    """Return one more trial of a study that always answers alike."""
    study.sampler = make_sampler(7, number)
    trial = study.ask()
    candidate = space.ask(trial)
    trial.set_constraint("unbuildable", 10.0 if candidate.precision == "bf16" else 0.0)
    if candidate.precision == "bf16":
        study.tell(trial, state=TrialState.PRUNED)
    else:
        speed = 1 + (candidate.precision == "int8")
        study.tell(trial, [1 / speed, 4.0 - candidate.flags["threads"], 0.9])
    return candidate


@pytest.fixture
def stored(tmp_path):
    """Open the same stored study again, as a restarted process would."""

    def open_again():
        return optuna.create_study(
            study_name="tiny",
            storage=open_storage(f"sqlite:///{tmp_path / 'study.db'}"),
            directions=["minimize", "minimize", "maximize"],
            load_if_exists=True,
        )

    return open_again


def test_a_restart_changes_no_suggestion(whole, study, stored):
    trials = STARTUP_TRIALS + 6
    through = study()
    uninterrupted = [told_trial(number, through, whole) for number in range(trials)]
    restarted = []
    for first, last in ((0, 5), (5, STARTUP_TRIALS + 3), (STARTUP_TRIALS + 3, trials)):
        session = stored()
        restarted += [told_trial(number, session, whole) for number in range(first, last)]
    assert restarted == uninterrupted


def test_seed_and_number_decide(whole, study):
    def first(seed, number):
        live = study(make_sampler(seed, number))
        return whole.ask(live.ask())

    assert first(1, 0) == first(1, 0)
    assert len({str(first(seed, number)) for seed in range(3) for number in range(3)}) == 9


def test_it_learns_from_what_was_measured_and_avoids_what_cannot_be_built(whole, study):
    live = study()
    candidates = [told_trial(number, live, whole) for number in range(60)]
    late = candidates[STARTUP_TRIALS + 10 :]
    built = [c for c in late if c.precision != "bf16"]
    assert len(built) > 0.8 * len(late)
    assert len([c for c in built if c.precision == "int8"]) > 0.5 * len(built)
