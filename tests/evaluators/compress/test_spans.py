from __future__ import annotations

import pytest

from evaluators.compress.spans import spans_of


@pytest.mark.parametrize(
    ("epochs", "ends"),
    [
        (1, [1]),
        (2, [1, 2]),
        (3, [1, 2, 3]),
        (4, [1, 2, 4]),
        (5, [1, 2, 4, 5]),
        (10, [1, 2, 4, 8, 10]),
    ],
)
def test_each_span_doubles_what_there_is_and_the_last_ends_with_the_training(epochs, ends):
    spans = spans_of(epochs)
    assert [span.stop for span in spans] == ends
    assert [epoch for span in spans for epoch in span] == list(range(epochs))
