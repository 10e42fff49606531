from __future__ import annotations

import pytest

from evaluators.compress.coupled_layers import rounded_width


@pytest.mark.parametrize(
    ("channels", "fraction", "round_to", "parts", "left"),
    [
        (64, 0.5, 8, 1, 32),
        (64, 0.45, 8, 1, 32),
        (64, 0.43, 8, 1, 40),
        (64, 0.5, 16, 1, 32),
        (48, 0.5, 16, 1, 32),
        (32, 0.5, 16, 1, 16),
        (16, 0.5, 16, 1, 8),
        (16, 0.05, 8, 1, 16),
        (16, 0.999, 8, 1, 8),
        (30, 0.1, 8, 1, 24),
        (3, 0.5, 8, 1, 2),
        (1, 0.9, 8, 1, 1),
        (64, 0.5, 8, 32, 32),
        (48, 0.5, 8, 3, 24),
    ],
)
def test_widths_are_multiples_but_never_nothing(channels, fraction, round_to, parts, left):
    assert rounded_width(channels, fraction, round_to, parts) == left
