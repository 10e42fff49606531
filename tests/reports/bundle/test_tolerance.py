import numpy as np
import pytest

from reports.bundle.tolerance import reason, share_of_range, tolerance


@pytest.mark.parametrize(
    ("precision", "share"),
    [("fp32", 1e-3), ("fp16", 1e-2), ("bf16", 5e-2), ("int8", 5e-2), ("fp8", 5e-2)],
)
def test_a_tolerance_is_a_share_of_the_range(precision, share):
    output = np.array([[-1.0, 2.0], [3.0, np.nan]], np.float32)
    assert share_of_range(precision) == share
    assert tolerance(output, precision) == pytest.approx(4 * share)
    assert len(reason(precision)) > 20


def test_a_constant_output_has_a_size_instead_of_a_range():
    assert tolerance(np.full((2, 1), -3.0, np.float32), "fp32") == pytest.approx(3e-3)


@pytest.mark.parametrize(
    "output", [np.array([1, 2]), np.array([np.nan, np.inf]), np.zeros(3, np.float32)]
)
def test_what_has_neither_must_be_equal(output):
    assert tolerance(output, "int8") == 0
