import copy
import math

import pytest
from pydantic import ValidationError

from spaces.errors import Fault
from spaces.problems_from_validation import faults_from_validation
from spaces.schema import Space

GOOD = {
    "version": 1,
    "name": "tiny",
    "workload": "tiny.py:Tiny",
    "batch_size": 1,
    "device": {
        "name": "here",
        "engines": ["openvino"],
        "rated_power_w": 2.0,
        "meter": {"command": ["wattmeter", "--watts"]},
        "connect": "local",
        "cpu_model": "Core",
        "if_absent": "fail",
    },
    "budget": {"trials": 3, "timeout": "5m"},
    "limits": {"stage_timeout": "5m", "memory": "1GiB"},
    "objectives": ["accuracy"],
    "profile": "mobile",
    "constraints": {
        "accuracy": {"max": 1, "min": 0, "max_drop": 0.1, "max_ratio": 1, "min_ratio": 1}
    },
    "search": {
        "sparsity": {"min": 0, "max": 0.8, "step": 0.1},
        "precision": ["int8"],
        "pruning": {"importance": "l2", "round_to": 8},
        "quantization": {"per_channel": True},
        "distillation": {"epochs": 1, "temperature": 4, "alpha": 0.5},
        "engine_flags": {"openvino": {"threads": [1, 2]}},
    },
}
ODD = [0, -1, 1.5, True, "", "zz", [], [3], [None], {}, {"zz": 1}, {"min": 1}, math.nan, 1e400]


def paths(data, above=()):
    yield above
    if isinstance(data, dict):
        for key, value in data.items():
            yield from paths(value, (*above, key))


def changed(path, value):
    if not path:
        return value
    data = copy.deepcopy(GOOD)
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return data


def faults_of(data):
    try:
        Space.model_validate(data)
    except ValidationError as error:
        return list(faults_from_validation(error))
    return []


def test_the_good_space_is_good():
    assert faults_of(GOOD) == []


@pytest.mark.parametrize("path", list(paths(GOOD))[1:], ids=".".join)
def test_whatever_stands_at_a_key_ends_in_sentences(path):
    """Every kind of error that pydantic can raise here has its words."""
    found = [fault for value in ODD for fault in faults_of(changed(path, value))]
    assert found
    for fault in found:
        assert fault.path[: len(path)] == path
        assert fault.rule
        assert fault.remedy.endswith((".", "?"))
        assert "pydantic" not in f"{fault.rule} {fault.remedy}"


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (
            ("batch_size",),
            0,
            (("batch_size",), "must be above 0", "0", "Write e.g. batch_size: 1."),
        ),
        (
            ("budget", "timeouts"),
            3,
            (("budget", "timeouts"), "is not a key here", "", "Did you mean timeout?"),
        ),
        (
            ("constraints", "mAP"),
            {"mn": 3},
            (("constraints", "mAP", "mn"), "is not a key here", "", "Did you mean min?"),
        ),
        (
            ("profile",),
            "mobiles",
            (
                ("profile",),
                "must be mobile, embedded or edge-server",
                "'mobiles'",
                "Did you mean mobile?",
            ),
        ),
        (
            ("search", "engine_flags", "openvino"),
            3,
            (
                ("search", "engine_flags", "openvino"),
                "must be a mapping of keys",
                "3",
                "Write e.g. engine_flags: {onnxruntime: {threads: [1, 2]}}.",
            ),
        ),
        (
            ("search", "sparsity"),
            2,
            (("search", "sparsity"), "must be in [0, 1)", "2", "Use a fraction, e.g. 0.8."),
        ),
    ],
)
def test_each_kind_of_fault(path, value, fault):
    assert faults_of(changed(path, value)) == [Fault(*fault)]


def test_a_list_of_refused_items_isnt_called_empty_as_well():
    assert [fault.rule for fault in faults_of(changed(("objectives",), [3, 4]))] == [
        "must be text",
        "must be text",
    ]
