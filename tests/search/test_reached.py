from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.measurement import Quantity, unavailable
from evaluators.peak import Peak
from search.reached import macs_of, reached


def timed(build, p90_ms, macs, *, p50_s=0.001, precision="int8", memory_mib=4.0, **fields):
    """Return a record with a median latency, and its MACs as the compress stage keeps them."""
    params = {"engine": "onnxruntime", "precision": precision}
    facts = {} if macs is None else {"compress": {"pruning": {"macs_after": macs}}}
    record = build.record(p90_ms, memory_mib, params=params, facts=facts, **fields)
    latency = p50_s if isinstance(p50_s, Quantity) else Quantity(p50_s, "s", "p50", "measured")
    return replace(record, quantities={**record.quantities, "latency_p50_s": latency})


def peak(value, precision="int8"):
    return Peak("onnxruntime", precision, Quantity(value, "1/s", "a net", "measured"))


def test_the_fastest_member_of_each_precision_is_held_against_the_peak(build):
    run = build.run(
        timed(build, 1.0, 1_000_000, p50_s=0.001),
        timed(build, 2.0, 9_000_000, p50_s=0.003, memory_mib=1.0),  # slower, yet it does more
        timed(build, 3.0, 1_000_000, precision="fp32", accuracy=0.99),
        timed(build, 9.0, 99_000_000, p50_s=0.001, memory_mib=9.0),  # dominated
    )
    run = replace(run, peaks=[peak(6e9), peak(2e9, "fp32")])
    int8, fp32 = reached(run)
    assert (int8.trial.number, int8.macs, int8.macs_per_s.value) == (1, 9_000_000, 3e9)
    assert int8.share == pytest.approx(0.5)
    assert (fp32.trial.number, fp32.share) == (2, pytest.approx(0.5))


def test_an_older_run_has_no_peak_and_says_what_measures_it(build):
    (found,) = reached(build.run(timed(build, 1.0, 1_000_000)))
    assert found.share is None
    assert found.macs_per_s.value == pytest.approx(1e9)
    why = "unavailable: not measured in this run; python -m search confirm --run DIR measures it"
    assert found.peak.macs_per_s == replace(unavailable("1/s", ""), provenance=why)


def test_without_macs_or_a_median_there_is_no_share(build):
    unknown = replace(build.run(timed(build, 1.0, None)), peaks=[peak(6e9)])
    (found,) = reached(unknown)
    assert (found.macs, found.share) == (None, None)
    assert "multiply-accumulates aren't known" in found.macs_per_s.provenance
    (found,) = reached(build.run(build.record(facts={"export": {"macs": 7}})))
    assert found.macs_per_s.provenance == "unavailable: the median latency isn't known"
    slow = unavailable("s", "too few queries")
    (found,) = reached(build.run(timed(build, 1.0, 7, p50_s=slow)))
    assert found.macs_per_s.provenance == "unavailable: too few queries"


def test_an_estimated_latency_reaches_an_estimate(build):
    by = Quantity(0.001, "s", "vela", "estimated: vela")
    (found,) = reached(build.run(timed(build, 1.0, 1000, p50_s=by)))
    assert found.macs_per_s.provenance == "estimated: vela"


def test_no_front_reaches_nothing(build):
    assert reached(build.run()) == []
    assert reached(build.run(build.failed("rejected"))) == []


@pytest.mark.parametrize(
    ("facts", "macs"),
    [
        ({"compress": {"pruning": {"macs_after": 7}}, "export": {}}, 7),
        ({"export": {"macs": 5}}, 5),
        ({"export": {"macs": None}}, None),
        ({"compress": {"pruning": {"macs_after": 0}}}, None),
        ({}, None),
    ],
)
def test_macs_are_those_of_the_stage_that_counted(build, facts, macs):
    assert macs_of(build.record(facts=facts)) == macs
