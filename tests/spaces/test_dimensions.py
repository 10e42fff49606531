import pytest

from spaces.dimensions import Choice, Fixed, Range, is_multiple, is_number


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Fixed(2), [2, 2.0], [3, "2", True]),
        (Fixed("a"), ["a"], ["b", 0]),
        (Fixed(True), [True], [1, False, "true"]),
        (Choice(("a", "b")), ["a", "b"], ["c", 1]),
        (Choice((1, 2, 4), is_ordered=True), [1, 2.0], [3, True, "1"]),
        (Choice((True, False)), [True, False], [1, 0]),
        (Range(0.0, 0.8), [0, 0.8, 0.123], [-0.1, 0.81, "0.5", True, float("nan"), float("inf")]),
        (Range(0.0, 0.8, step=0.05), [0.0, 0.05, 0.15, 0.35, 0.8, 3 * 0.05], [0.04, 0.36, 0.85]),
        (Range(1, 9, step=2, is_integer=True), [1, 3, 9, 3.0], [2, 3.5, 11]),
        (Range(1, 4, is_integer=True), [1, 2, 4], [2.5, 0, 5]),
        (Range(1.0, 10.0, log=True), [1, 3.3, 10], [0.9]),
    ],
)
def test_contains(dimension, inside, outside):
    assert all(dimension.contains(value) for value in inside)
    assert not any(dimension.contains(value) for value in outside)


def test_dimensions_are_hashable_and_equal_by_value():
    assert {Range(0.0, 1.0), Range(0.0, 1.0), Fixed(1), Choice((1, 2)), Choice((1, 2))} == {
        Range(0.0, 1.0),
        Fixed(1),
        Choice((1, 2)),
    }


def test_dimensions_are_frozen():
    with pytest.raises(AttributeError, match="cannot assign to field"):
        Fixed(1).value = 2


@pytest.mark.parametrize("count", [0, 1, 7, 16, 1_000_000])
def test_is_multiple_forgives_the_rounding_of_floats(count):
    assert is_multiple(count * 0.05, 0.05)
    assert not is_multiple(count * 0.05 + 0.02, 0.05)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, True), (1.5, True), (True, False), ("1", False)]
)
def test_is_number(value, expected):
    assert is_number(value) is expected
