"""Score outputs with the workload's metric, and where it is one figure of the whole set, resample.

Runs in the build worker: ``score`` is the person's code.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from spaces.check_workload import checked_scores
from spaces.workload import Array, Workload

RESAMPLES = 200
FEWEST_RESAMPLES = 40
RESAMPLING_LIMIT_S = 20.0
"""A slow metric gets fewer resamples, but never fewer than `FEWEST_RESAMPLES`."""


def figures_of(workload: Workload, outputs: Sequence[Array], targets: Array) -> list[Array]:
    """Return scores of shape (n,); or a figure of shape () and resamples of shape (n_resamples,).

    The k-th resample holds the same samples for every model, so the difference of two models'
    resamples is that of paired figures.

    Raises:
        WorkloadError: If ``score`` raises, or returns anything else or what isn't finite.
    """
    scores = checked_scores(workload, outputs, targets)
    if scores.ndim > 0:
        return [scores]
    resampled = []
    begin = time.monotonic()
    for seed in range(RESAMPLES):
        if seed >= FEWEST_RESAMPLES and time.monotonic() - begin > RESAMPLING_LIMIT_S:
            break
        rows = np.random.default_rng(seed).integers(0, len(targets), len(targets))
        picked = [output[rows] for output in outputs]
        resampled.append(checked_scores(workload, picked, targets[rows]))
    return [scores, np.array(resampled)]
