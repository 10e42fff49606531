from benchmarks.fidelity_parts.measure import P50
from benchmarks.fidelity_parts.order import searched_and_confirmed
from tests.benchmarks.fidelity_parts.measurements import measured


def test_the_first_round_is_the_search_and_the_median_of_the_others_confirms():
    rounds = [[measured(p50_s) for p50_s in row] for row in ([1, 2], [1, 5], [3, 4], [9, 6])]
    assert searched_and_confirmed(rounds, P50) == ([1, 2], [3, 5])
