import pytest

from benchmarks.replay_parts.methods import METHODS, OURS, SAMPLERS, Limits

SHORT = Limits(virtual_s=400.0, trials=25)


def test_ours_pays_a_model_once_and_plain_optuna_every_time(table):
    ours, plain = (METHODS[name].run(table, 0, SHORT) for name in (OURS, "tpe"))
    assert plain.spent_s["export"] == pytest.approx(2.0 * plain.trials)
    assert plain.spent_s["benchmark"] == pytest.approx(2.0 * plain.trials)
    assert ours.spent_s["export"] < 2.0 * ours.trials
    assert ours.spent_s["prune"] <= 9 * 0.5  # once a sparsity


def test_a_search_ends_with_the_first_trial_beyond_its_time(table):
    longest_s = 100.0  # eight epochs and the other stages of one trial
    for name in METHODS:
        spent_s = sum(METHODS[name].run(table, 1, SHORT).spent_s.values())
        assert spent_s < SHORT.virtual_s + longest_s


def test_hypervolume_only_grows_and_the_same_seed_gives_it_again(table):
    one, other = (METHODS["nsga2"].run(table, 3, SHORT) for _ in range(2))
    volumes = [step.hypervolume for step in one.steps]
    assert volumes == sorted(volumes)
    assert volumes == [step.hypervolume for step in other.steps]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_candidate_sampler_runs(table, name):
    assert SAMPLERS[name].run(table, 0, Limits(200.0, 14)).hypervolume > 0


def test_no_two_searches_share_a_name():
    assert not set(METHODS) & set(SAMPLERS)
