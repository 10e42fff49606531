from __future__ import annotations

import pytest

from search.policy.rungs import rungs
from spaces.dimensions import Choice, Fixed, Range


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (Fixed(3), (3,)),
        (Choice((4, 0, 1), is_ordered=True), (0, 1, 4)),
        (Range(0, 10, is_integer=True), (0, 1, 2, 4, 8, 10)),
        (Range(0, 8, is_integer=True), (0, 1, 2, 4, 8)),
        (Range(2, 20, 3, is_integer=True), (2, 5, 8, 14, 20)),
        (Range(5, 5, is_integer=True), (5,)),
    ],
)
def test_the_ladder_doubles_and_ends_where_the_space_does(epochs, expected):
    assert rungs(epochs) == expected
