import pytest

from benchmarks.fidelity_parts.coverage import Repeats
from benchmarks.fidelity_parts.measure import P50
from evaluators.measurement import Quantity
from tests.benchmarks.fidelity_parts.measurements import measured


def test_coverage_is_the_share_inside_and_the_width_is_relative():
    predicted = Quantity(2.0, "s", "a test", "measured", low=1.9, high=2.2)
    later = [measured(p50_s) for p50_s in (1.89, 1.9, 2.2, 2.21)]
    repeats = Repeats(None, {P50: predicted}, later)
    assert repeats.coverage(P50) == 0.5
    assert repeats.relative_width(P50) == pytest.approx(0.15)
