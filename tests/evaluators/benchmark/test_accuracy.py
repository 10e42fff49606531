import numpy as np
import pytest

from evaluators.benchmark.accuracy import collect_outputs, take_batch


class DoublingSession:
    """A real small engine: takes batches of one size only, doubles the first input."""

    def __init__(self, batch_size):
        self.batch_size = batch_size

    def prepare(self, inputs):
        return inputs

    def infer(self, prepared):
        assert all(len(array) == self.batch_size for array in prepared)
        return [prepared[0] * 2, prepared[1].sum(1)]

    def decode(self, raw):
        return raw


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10])
def test_every_sample_is_answered_once_in_order(batch_size):
    inputs = [np.arange(7.0).reshape(7, 1), np.arange(14).reshape(7, 2)]
    doubled, summed = collect_outputs(DoublingSession(batch_size), inputs, batch_size)
    np.testing.assert_array_equal(doubled, inputs[0] * 2)
    np.testing.assert_array_equal(summed, inputs[1].sum(1))


def test_a_last_batch_is_filled_with_its_last_sample():
    (batch,) = take_batch([np.arange(5)], 3, 4)
    assert batch.tolist() == [3, 4, 4, 4]
