import pytest

from benchmarks.fidelity_parts.measure import P50, P90
from benchmarks.fidelity_parts.repeat import Pair
from tests.benchmarks.fidelity_parts.measurements import measured


@pytest.mark.parametrize(
    ("busy", "is_right"),
    [
        (measured(1.04), True),
        (measured(1.06), False),
        (measured(2.0, "another process ran"), True),
    ],
)
def test_a_busy_measurement_is_right_or_says_that_it_may_not_be(busy, is_right):
    pair = Pair(None, measured(1.0), measured(1.0), busy, busy_cpu=1)
    assert pair.is_right_or_flagged_busy is is_right


def test_a_pair_is_flagged_if_either_of_its_quiet_measurements_is():
    busy = measured(2.0, "another process ran")
    assert not Pair(None, measured(1.0), measured(1.0), busy, 1).is_flagged_quiet
    assert Pair(None, measured(1.0), measured(1.0, "throttled"), busy, 1).is_flagged_quiet


def test_each_percentile_agrees_or_not_by_itself():
    pair = Pair(None, measured(1.0, p90_s=1.1), measured(1.02, p90_s=1.2), measured(1.0), 1)
    assert pair.agree(P50)
    assert not pair.agree(P90)
