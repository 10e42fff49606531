import numpy as np
import pytest

from evaluators.bundle.folder import Tensor
from evaluators.bundle.outputs import compare_outputs

TENSOR = Tensor("output_0", (1, 2), "float32", 0.01)
RECORDED = np.array([[0.0, 1.0], [2.0, np.nan]], np.float32)


def compared(now, recorded=RECORDED, tensor=TENSOR):
    return compare_outputs([recorded], [now], [tensor])


def test_equal_bits_are_right():
    found = compared(RECORDED.copy())
    assert found.is_right
    assert found.text == "equal to the bit on 2 samples"


def test_a_small_difference_is_right_and_told():
    found = compared(RECORDED + np.float32(0.005))
    assert found.is_right
    assert found.text == (
        "within the tolerance on 2 samples: output_0 differs by up to 0.005 (tolerance 0.01)"
    )


def test_zero_with_another_sign_is_right():
    assert compared(np.float32([-0.0]), np.float32([0.0])).is_right


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (RECORDED + np.float32(0.02), "differs by up to 0.02"),
        (np.where(np.isnan(RECORDED), 0, RECORDED).astype(np.float32), "differs by up to inf"),
        (np.full_like(RECORDED, np.nan), "differs by up to inf"),
        (np.full_like(RECORDED, np.inf), "differs by up to inf"),
        (RECORDED.astype(np.float64), "is float64 of shape .* instead of float32"),
        (RECORDED[:1], r"shape \(1, 2\) instead of float32 of shape \(2, 2\)"),
    ],
)
def test_what_is_wrong_is_told(now, text):
    found = compared(now)
    assert not found.is_right
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(found.text)


def test_integers_have_no_tolerance():
    tensor = TENSOR._replace(tolerance=0.0)
    assert compared(np.array([1, 2]), np.array([1, 2]), tensor).is_right
    assert not compared(np.array([1, 3]), np.array([1, 2]), tensor).is_right


def test_another_number_of_outputs_is_wrong():
    found = compare_outputs([RECORDED], [RECORDED, RECORDED], [TENSOR])
    assert (found.is_right, found.text) == (False, "2 outputs instead of 1")
