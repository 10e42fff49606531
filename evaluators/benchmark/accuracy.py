"""What the compiled artifact answers, for a whole split. Scoring it is the host's job."""

from __future__ import annotations

from typing import List, Sequence

import numpy as np

from evaluators.engines.engine import Session


def collect_outputs(
    session: Session, inputs: Sequence[np.ndarray], batch_size: int
) -> List[np.ndarray]:
    """Run every sample once and return each output of shape (n, ...), in the order of ``inputs``.

    A last batch that isn't full is filled with copies of its last sample, whose answers are
    dropped: compiled models take one batch size only.

    Args:
        session: A loaded engine.
        inputs: One array of shape (n, ...) for each input of the model.
        batch_size: What the artifact was compiled for.
    """
    count = len(inputs[0])
    answers = []
    for start in range(0, count, batch_size):
        batch = take_batch(inputs, start, batch_size)
        outputs = session.decode(session.infer(session.prepare(batch)))
        answers.append([output[: count - start] for output in outputs])
    return [np.concatenate(parts) for parts in zip(*answers)]


def take_batch(inputs: Sequence[np.ndarray], start: int, batch_size: int) -> List[np.ndarray]:
    """Return samples ``start`` to ``start + batch_size``, the last repeated where they run out."""
    index = np.minimum(np.arange(start, start + batch_size), len(inputs[0]) - 1)
    return [np.ascontiguousarray(array[index]) for array in inputs]
