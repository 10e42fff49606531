from __future__ import annotations

import pytest

from search.drift import CanaryReading, Stretch, drifted_stretches, is_drift


def readings(*pairs):
    return [CanaryReading(trials, ratio, 0.0) for trials, ratio in pairs]


def test_the_example_of_the_module_holds():
    found = drifted_stretches(readings((4, 1.01), (8, 1.09), (12, 1.08), (16, 1.01)), 20)
    assert found == [Stretch(4, 8, 1.09), Stretch(8, 12, 1.09), Stretch(12, 16, 1.08)]


def test_without_readings_nothing_is_marked():
    assert drifted_stretches([], 9) == []


def test_a_drift_at_the_end_marks_what_comes_after_it():
    assert drifted_stretches(readings((4, 0.9)), 6) == [Stretch(0, 4, 0.9), Stretch(4, 6, 0.9)]


@pytest.mark.parametrize(("ratio", "drifted"), [(1.0499, False), (1.0501, True), (0.949, True)])
def test_five_per_cent_either_way_is_the_limit(ratio, drifted):
    assert CanaryReading(1, ratio, 0.0).has_drifted is drifted


def test_a_stretch_without_trials_marks_nothing():
    assert drifted_stretches(readings((4, 1.2), (4, 1.2)), 4) == [Stretch(0, 4, 1.2)]


def test_a_flag_says_which_way_and_is_known_for_drift():
    assert Stretch(0, 1, 0.9).flag == "drift: the baseline was 10% faster just then"
    assert is_drift(Stretch(0, 1, 1.2).flag)
    assert not is_drift("other work took 23 % of the CPUs measured on")
