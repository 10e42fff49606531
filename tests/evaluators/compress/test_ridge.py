from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluators.compress import ridge as module
from evaluators.compress.ridge import CHUNK_ROWS, RIDGE, fit_correction, solving_flops


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


@pytest.mark.parametrize("has_mean", [True, False])
@pytest.mark.parametrize("at_once", [1, 100])
def test_an_output_that_keeps_some_inputs_has_the_solution_over_those(
    has_mean, at_once, monkeypatch
):
    monkeypatch.setattr(module, "_CHUNK_BYTES", at_once * 8 * 3**2)
    inputs, residuals = data(500)
    kept = torch.tensor([[1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 0, 1], [1, 0, 0, 1, 1, 0]]).bool()
    found = fit_correction(inputs, residuals, torch.arange(500) < 100, has_mean=has_mean, kept=kept)
    a, r = inputs.double().numpy(), residuals.double().numpy()
    centre_a, centre_r = (a.mean(0), r.mean(0)) if has_mean else (np.zeros(6), np.zeros(3))
    pull = np.sqrt(RIDGE * np.square(a - centre_a).sum(0).mean()) * np.eye(3)
    for output, mask in enumerate(kept.numpy()):
        own = np.vstack([(a - centre_a)[:, mask], pull])
        wanted = np.append((r - centre_r)[:, output], np.zeros(3))
        weight = np.linalg.lstsq(own, wanted, rcond=None)[0]
        assert found.weight[output, mask].numpy() == pytest.approx(weight, rel=1e-4, abs=1e-5)
        assert not found.weight[output, ~mask].any()
        mean = centre_r[output] - weight @ centre_a[mask]
        assert float(found.mean[output]) == pytest.approx(mean if has_mean else 0, abs=1e-4)


def test_what_solving_takes_grows_with_the_cube_of_the_inputs_kept():
    kept = torch.ones(256, 2304, dtype=torch.bool)
    kept[:, ::2] = False
    assert solving_flops(kept) == pytest.approx(256 * 1152**3 / 3)


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
