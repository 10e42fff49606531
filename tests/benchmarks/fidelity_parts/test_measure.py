import pytest

from benchmarks.fidelity_parts.measure import covers, is_within
from evaluators.measurement import Quantity


@pytest.mark.parametrize(
    ("value", "is_covered"), [(0.89, False), (0.9, True), (1.2, True), (1.21, False)]
)
def test_an_interval_covers_its_ends(value, is_covered):
    predicted = Quantity(1.0, "s", "a test", "measured", low=0.9, high=1.2)
    assert covers(predicted, value) is is_covered


@pytest.mark.parametrize(
    ("other", "agree"), [(1.03, True), (1.04, False), (0.98, True), (0.97, False)]
)
def test_agreement_does_not_depend_on_which_came_first(other, agree):
    assert is_within(0.03, 1.0, other) is agree
    assert is_within(0.03, other, 1.0) is agree
