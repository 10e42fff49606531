import pytest

from evaluators.meters.estimate import estimate_power_w


@pytest.mark.parametrize(
    ("cpu_time_s", "cpu_count", "expected_w"), [(1.0, 2, 5.0), (2.0, 2, 10.0), (0.0, 4, 0.0)]
)
def test_power_goes_with_the_share_of_cpu_time(cpu_time_s, cpu_count, expected_w):
    assert estimate_power_w(cpu_time_s, 1.0, cpu_count, 10.0) == pytest.approx(expected_w)


def test_rounding_in_the_kernels_clock_never_exceeds_the_rated_power():
    assert estimate_power_w(1.02, 1.0, 1, 10.0) == 10.0
