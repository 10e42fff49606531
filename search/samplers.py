"""Which Optuna sampler proposes, seeded so that a resumed run goes on as it would have."""

from __future__ import annotations

import warnings

import optuna
from optuna.samplers import BaseSampler, TPESampler

STARTUP_TRIALS = 10
_SEED_STRIDE = 1_000_003  # prime and beyond any trial number, so that seeds never meet


def make_sampler(seed: int, trial_number: int) -> BaseSampler:
    """Return TPE over the joint distribution, with conditional parameters as groups.

    With several objectives Optuna's own default treats parameters as independent. Randomness comes
    from the study's seed and the trial's number alone: what ran before a restart doesn't matter.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            group=True,
            seed=(seed * _SEED_STRIDE + trial_number) % 2**32,
        )
