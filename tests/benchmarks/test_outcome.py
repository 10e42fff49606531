import math

import pytest

from benchmarks.outcome import Trace
from evaluators.measurement import Quantity
from search.records import Failure, NumberedRecord, Run, TrialRecord
from search.run_facts import RunFacts
from spaces.objectives import ACCURACY, OBJECTIVES

PARAMS = {"engine": "openvino", "precision": "int8"}
FACTS = RunFacts(
    name="tiny",
    space_file="tiny.yaml",
    identity="abc",
    seed=0,
    device="host-cpu",
    machine="Xeon",
    objectives=(OBJECTIVES["latency_p90_ms"], OBJECTIVES["accuracy"]),
    metric=ACCURACY,
    reference_metric=0.95,
    notices=(),
    bounds={},
)


def _record(latency_ms, accuracy, **fields):
    drop = 0.95 - accuracy
    quantities = {
        "latency_p90_s": Quantity(latency_ms / 1e3, "s", "chosen", "measured"),
        "accuracy": Quantity(accuracy, "1", "chosen", "measured"),
        "accuracy_drop": Quantity(drop, "1", "chosen", "measured"),
    }
    return TrialRecord(PARAMS, quantities, **fields)


RUN = Run(FACTS, _record(1.0, 0.95), [])


def _outcome(*timed):
    trace = Trace()
    for number, (at_s, record) in enumerate(timed):
        trace.add(at_s, NumberedRecord(number, "complete", record))
    return trace.outcome(RUN, {"export": 3.0})


def test_hypervolume_is_that_of_the_front_so_far():
    found = _outcome(
        (10.0, _record(0.5, 0.95)),
        (20.0, _record(0.6, 0.94)),  # dominated
        (30.0, _record(0.25, 0.90)),
    )
    # The reference point is the baseline's latency, and its accuracy minus 0.10.
    first = math.log(2) * 0.10
    both = first + math.log(2) * 0.05
    assert [step.at_s for step in found.steps] == [0.0, 10.0, 30.0]
    assert [step.hypervolume for step in found.steps] == pytest.approx([0.0, first, both])
    assert found.reached_s(first * 0.99) == 10.0
    assert found.reached_s(first * 1.01) == 30.0
    assert found.reached_s(both * 1.01) == math.inf
    assert found.hypervolume_at(29.0) == pytest.approx(first)
    assert found.trials == 3
    assert found.spent_s == {"export": 3.0}


def test_what_breaks_a_bound_or_failed_does_not_count():
    failure = Failure("rejected", "no such op", "compile")
    found = _outcome(
        (10.0, _record(0.1, 0.95, violations={"latency_p90_ms": 0.3})),
        (20.0, TrialRecord(PARAMS, failure=failure)),
    )
    assert found.hypervolume == 0.0


def test_the_shortest_p90_is_of_models_that_are_nearly_as_good():
    found = _outcome(
        (1.0, _record(0.2, 0.93)), (2.0, _record(0.4, 0.94)), (3.0, _record(0.5, 0.95))
    )
    assert found.shortest_p90_s == pytest.approx(0.0004)


def test_without_such_a_model_there_is_no_shortest_p90():
    assert _outcome((1.0, _record(0.2, 0.90))).shortest_p90_s == math.inf
