"""What a candidate that wasn't measured would cost, from those that were.

A Gaussian process over candidates. Its kernel adds a part for each parameter to one for all of them
together: log latencies are nearly sums of what each parameter does, so that the effect of a flag on
one model tells of its effect on another, and the rest is learned where candidates are alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search.policy.identity import Params
from spaces.dimensions import Choice, Dimension, Fixed, Range, Value

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Matrix = NDArray[np.float64]

MOST_OBSERVATIONS = 200
"""To fit at once, the newest: factorizing takes the cube of it."""
_DECIDING = 80
"""So many of them decide the kernel, which takes a factorization for each one tried."""
_ADDITIVE_SHARES = (0.5, 0.8, 0.95)
_LENGTHS = (0.3, 1.0)
_NOISES = (1e-3, 1e-2, 1e-1)
_OTHER_WORD = 0.3
"""How alike two candidates remain, as a whole, for each word in which they differ."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A fitted process.

    Attributes:
        dimensions: What says which parameters are numbers, and their range.
        params: Of the observations.
        scale: Means and standard deviations of the targets, each of shape (n_targets,).
        choice: Share of the additive part, length scale, and noise, by marginal likelihood.
        factor: Lower Cholesky factor of the observations' covariance.
        weights: Of shape (n, n_targets).
    """

    dimensions: Mapping[str, Dimension]
    params: Sequence[Params]
    scale: tuple[Matrix, Matrix]
    choice: tuple[float, float, float]
    factor: Matrix
    weights: Matrix

    def predict(self, params: Sequence[Params]) -> tuple[Matrix, Matrix]:
        """Return means and standard deviations, each of shape (n, n_targets)."""
        from scipy.linalg import solve_triangular

        share, length, noise = self.choice
        across = _mixed(share, *_Parts(self.dimensions, params, self.params).kernels(length))
        mean, spread = self.scale
        with _one_thread():
            explained = solve_triangular(self.factor, across.T, lower=True)
        left = np.sqrt(np.maximum(1 - (explained**2).sum(0), 0) + noise)
        return across @ self.weights * spread + mean, left[:, None] * spread


def fit_forecast(
    dimensions: Mapping[str, Dimension], params: Sequence[Params], targets: Matrix
) -> Forecast:
    """Fit a process to what was measured.

    Args:
        dimensions: Of the space, by parameter.
        params: Of each candidate; at least one, and `MOST_OBSERVATIONS` are enough.
        targets: What it cost, of shape (n, n_targets).

    References:
        Rasmussen, Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1; Duvenaud
        et al., Additive Gaussian Processes, 2011.
    """
    spread = targets.std(0)
    scale = (targets.mean(0), np.where(spread > 0, spread, 1.0))
    standard = (targets - scale[0]) / scale[1]
    with _one_thread():
        choice = _likeliest(_Parts(dimensions, params[-_DECIDING:], params[-_DECIDING:]), standard)
        kernel = _mixed(choice[0], *_Parts(dimensions, params, params).kernels(choice[1]))
        factor, weights = _solved(kernel, choice[2], standard)
    return Forecast(dimensions, params, scale, choice, factor, weights)


def _one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra to one thread: a second one spins, and waits where a trial is built.

    With a busy neighbour on two CPUs a fit took 265 ms instead of 12.
    """
    limited: AbstractContextManager[object] = _linear_algebra().limit(limits=1, user_api="blas")
    return limited


@cache
def _linear_algebra() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  only what is loaded is found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _likeliest(deciding: _Parts, targets: Matrix) -> tuple[float, float, float]:
    """Return share, length and noise by the marginal likelihood of the newest targets."""
    newest = targets[-_DECIDING:]
    kernels = {length: deciding.kernels(length) for length in _LENGTHS}

    def likelihood(choice: tuple[float, float, float]) -> float:
        share, length, noise = choice
        return _likelihood(_mixed(share, *kernels[length]), noise, newest)

    return max(product(_ADDITIVE_SHARES, _LENGTHS, _NOISES), key=likelihood)


def _mixed(share: float, additive: Matrix, together: Matrix) -> Matrix:
    return share * additive + (1 - share) * together


def _likelihood(kernel: Matrix, noise: float, targets: Matrix) -> float:
    """Return the log marginal likelihood, but for a constant."""
    factor, weights = _solved(kernel, noise, targets)
    determinant = float(np.log(np.diag(factor)).sum())
    fit = -0.5 * float((targets * weights).sum())
    return fit - float(targets.shape[1]) * determinant


def _solved(kernel: Matrix, noise: float, targets: Matrix) -> tuple[Matrix, Matrix]:
    from scipy.linalg import cho_solve

    factor = np.asarray(np.linalg.cholesky(kernel + noise * np.eye(len(kernel))), np.float64)
    return factor, cho_solve((factor, True), targets)


class _Parts:
    """Distances between two lists of candidates, parameter by parameter."""

    def __init__(
        self, dimensions: Mapping[str, Dimension], one: Sequence[Params], other: Sequence[Params]
    ) -> None:
        names = dict.fromkeys(name for params in (*one, *other) for name in params)
        self._numbers: list[tuple[Matrix, Matrix]] = []
        self._words: list[NDArray[np.bool_]] = []
        for name in names:
            if isinstance(dimensions.get(name), Fixed):
                continue
            if _is_numeric(dimensions.get(name)):
                there = _presence(name, one)[:, None] == _presence(name, other)[None, :]
                rows, columns = (_positions(dimensions[name], name, p) for p in (one, other))
                self._numbers.append((np.square(rows[:, None] - columns[None, :]), 1.0 * there))
            else:
                seen: dict[Value | None, int] = {}  # numbers compare faster than words
                rows, columns = (
                    np.array([seen.setdefault(p.get(name), len(seen)) for p in side])
                    for side in (one, other)
                )
                self._words.append(rows[:, None] == columns[None, :])
        self._shape = (len(one), len(other))

    def kernels(self, length: float) -> tuple[Matrix, Matrix]:
        """Return the part that is a sum over parameters, and the one of all of them together."""
        alike = [there * np.exp(-0.5 * squares / length**2) for squares, there in self._numbers]
        together = np.ones(self._shape)
        for part in alike:
            together = together * np.maximum(part, 1e-6)
        for same in self._words:
            together = together * np.where(same, 1.0, _OTHER_WORD)
        each = [*alike, *(same.astype(np.float64) for same in self._words)]
        additive = sum(each, np.zeros(self._shape)) / len(each) if each else together
        return additive, together


def _presence(name: str, params: Sequence[Params]) -> NDArray[np.bool_]:
    return np.array([name in p for p in params])


def _is_numeric(dimension: Dimension | None) -> bool:
    return isinstance(dimension, Range) or (isinstance(dimension, Choice) and dimension.is_ordered)


def _positions(dimension: Dimension, name: str, params: Sequence[Params]) -> Matrix:
    """Return where each value lies in its range, in [0, 1]; 0 where it is absent."""
    return np.array([_position(dimension, p[name]) if name in p else 0.0 for p in params])


def _position(dimension: Dimension, value: Value) -> float:
    if isinstance(dimension, Choice):
        return dimension.options.index(value) / max(1, len(dimension.options) - 1)
    assert isinstance(dimension, Range)
    low, high, at = dimension.min, dimension.max, float(value)
    if dimension.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low) if high > low else 0.0
