import pytest

from benchmarks.fidelity_parts.against_peers import Comparison


def test_rounds_are_compared_pair_by_pair():
    """The machine slowed down after the first round, for both."""
    compared = Comparison(None, ours_s=[1.02, 2.04, 2.08], theirs_s=[1.0, 2.0, 2.0])
    assert compared.ratio == pytest.approx(1.02)
    assert compared.difference_s == pytest.approx(0.04)


@pytest.mark.parametrize(("theirs_s", "is_long"), [(0.00099, False), (0.001, True)])
def test_long_is_1_ms_by_their_figures(theirs_s, is_long):
    assert Comparison(None, ours_s=[0.001], theirs_s=[theirs_s]).is_long is is_long
