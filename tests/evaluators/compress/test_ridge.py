from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluators.compress.ridge import CHUNK_ROWS, RIDGE, fit_correction


def data(rows, *, seed=0):
    random = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, 6, generator=random) + 2
    weight = torch.randn(3, 6, generator=random)
    return inputs, inputs @ weight.T + torch.tensor([1.0, -2.0, 3.0])


@pytest.mark.parametrize("has_mean", [True, False])
def test_the_solution_is_that_of_an_augmented_least_squares_problem(has_mean):
    inputs, residuals = data(CHUNK_ROWS + 7)
    found = fit_correction(inputs, residuals, torch.arange(len(inputs)) < 50, has_mean=has_mean)
    a, r = inputs.double().numpy(), residuals.double().numpy()
    centre_a, centre_r = (a.mean(0), r.mean(0)) if has_mean else (0.0, 0.0)
    a, r = a - centre_a, r - centre_r
    pull = np.sqrt(RIDGE * np.square(a).sum(0).mean()) * np.eye(6)
    stacked = np.vstack([a, pull]), np.vstack([r, np.zeros((6, 3))])
    weight = np.linalg.lstsq(*stacked, rcond=None)[0].T
    assert found.weight.numpy() == pytest.approx(weight, rel=1e-4, abs=1e-5)
    mean = centre_r - weight @ centre_a if has_mean else np.zeros(3)
    assert found.mean.numpy() == pytest.approx(mean, rel=1e-4, abs=1e-4)


def test_what_can_be_explained_is_gone_from_held_out_rows():
    inputs, residuals = data(400)
    found = fit_correction(inputs, residuals, torch.arange(400) >= 320, has_mean=True)
    assert found.error_before == pytest.approx(float(residuals[320:].square().sum()), rel=1e-5)
    assert found.error_after < 0.01 * found.error_before


def test_noise_from_few_rows_is_seen_to_do_harm():
    inputs, residuals = torch.randn(30, 20), torch.randn(30, 4)
    found = fit_correction(inputs, residuals, torch.arange(30) >= 22, has_mean=True)
    assert found.error_after > found.error_before


def test_inputs_that_never_vary_change_nothing_but_the_mean():
    inputs, residuals = torch.zeros(20, 4), torch.full((20, 2), 3.0)
    found = fit_correction(inputs, residuals, torch.arange(20) >= 15, has_mean=True)
    assert found.weight.abs().max() == 0
    assert found.mean.tolist() == [3.0, 3.0]
