from evaluators.benchmark.percentile import percentile


def test_percentile_is_a_sample_with_enough_at_or_below():
    samples = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(samples, q) for q in (0.0, 0.2, 0.5, 0.9, 1.0)] == [1, 1, 3, 5, 5]
