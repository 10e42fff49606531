import numpy as np
import pytest

from benchmarks.replay_parts.packed_answers import packed, unpacked


@pytest.mark.parametrize("count", [1, 8, 13, 600])
def test_unpacked_gives_back_what_was_packed(count):
    right = np.random.default_rng(count).random(count) < 0.9
    assert unpacked(packed(right), count).tolist() == right.tolist()
