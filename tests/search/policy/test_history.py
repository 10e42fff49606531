from __future__ import annotations

import pytest

from evaluators.candidate import Candidate
from search.policy.history import ArmHistory
from search.policy.known import KnownTrials


@pytest.fixture
def past(build):
    """Return the history of trials given as (arm, promised gain, latency in ms, seconds)."""

    def make(*trials):
        records = [
            build.record(
                ms,
                3.0,
                0.95,
                origin={"arm": arm, "parent": 0, "gain": gain} if arm else {},
                stage_seconds={"benchmark": seconds},
            )
            for arm, gain, ms, seconds in trials
        ]
        run = build.run(*records, baseline=build.record(1.0, 4.0, 0.95))
        same = dict.fromkeys(range(len(records)), Candidate("openvino", "int8"))
        return ArmHistory.of(run, KnownTrials().of(run, same))

    return make


def test_what_brings_more_in_a_second_has_the_higher_rate(past):
    history = past(("sweep", 0.1, 0.8, 1.0), ("rung", 0.1, 0.7, 10.0))
    assert history.rate("sweep") > 5 * history.rate("rung") > 0
    assert history.rate("prefix") == 0


def test_an_arm_that_breaks_its_promises_loses_trust(past):
    kept = past(("sweep", 0.001, 0.5, 1.0))
    broken = past(("sweep", 0.5, 2.0, 1.0), ("sweep", 0.5, 2.0, 1.0))
    assert broken.trust("sweep") < 0.1 < kept.trust("sweep") == 1
    assert broken.trust("rung") == 1


def test_small_promises_count_as_large_ones_do(past):
    """Late in a search all of them are small."""
    small = past(*[("sweep", 0.002, 2.0, 1.0)] * 8)
    assert small.trust("sweep") < 0.3


def test_time_is_shared_among_what_was_chosen(past):
    history = past((None, 0, 1.0, 100.0), ("sampled", None, 0.9, 3.0), ("rung", 0.1, 0.8, 9.0))
    assert history.share_of_time("sampled") == pytest.approx(0.25)
