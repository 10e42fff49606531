import re

import pytest
from pydantic import TypeAdapter, ValidationError

from spaces import field_types
from spaces.dimensions import Choice, Fixed, Range


def validate(kind, raw):
    return TypeAdapter(kind).validate_python(raw)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (field_types.Words, ["a", "b"], ("a", "b")),
        (field_types.ObjectiveNames, ["mAP", "power_w"], ("mAP", "power_w")),
        (field_types.Duration, "5m", 300),
        (field_types.Size, "1KiB", 1024),
        (field_types.Connection, "local", ()),
        (field_types.Precisions, "int8", ("int8",)),
        (field_types.Precisions, ["int8", "fp32"], ("int8", "fp32")),
        (field_types.Sparsity, 0, Fixed(0.0)),
        (field_types.Sparsity, {"min": 0, "max": 0.5}, Range(0.0, 0.5)),
        (field_types.Sparsity, {"stem": 0.5}, {"stem": Fixed(0.5)}),
        (field_types.PowerModes, "governor:powersave", Fixed("governor:powersave")),
        (
            field_types.PowerModes,
            ["nvpmodel:15W+jetson_clocks:on", "nvpmodel:MAXN+jetson_clocks:off"],
            Choice(("nvpmodel:15W+jetson_clocks:on", "nvpmodel:MAXN+jetson_clocks:off")),
        ),
        (field_types.MeterChoice, "hwmon:amdgpu", "hwmon:amdgpu"),
        (
            field_types.MeterChoice,
            {"command": ["wattmeter", "-w"]},
            field_types.MeterCommand(command=("wattmeter", "-w")),
        ),
        (field_types.Workload, "a.b:C", "a.b:C"),
        (
            field_types.Workload,
            {"onnx": "m.onnx", "data": "d.npz"},
            field_types.OnnxFiles(onnx="m.onnx", data="d.npz"),
        ),
    ],
)
def test_what_is_written_becomes_a_value(kind, raw, value):
    assert validate(kind, raw) == value


@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        (field_types.Words, [], "at least 1 item"),
        (field_types.Words, [""], "at least 1 character"),
        (field_types.FileName, "a/b", "must be up to 64 letters"),
        (field_types.FileName, "a\n", "must be up to 64 letters"),
        (field_types.ObjectiveNames, ["latency"], "must name objectives"),
        (field_types.Sparsity, {"stem": {"low": 0}}, "is not a key of a range"),
        (field_types.Sparsity, {"low": 0, "high": 0.5}, "is not a key of a range"),
        (field_types.PowerModes, [], "must not be an empty list"),
        (field_types.PowerModes, "performance", "must be KIND:VALUE"),
        (field_types.PowerModes, ["governor: fast"], "must be KIND:VALUE"),
        (field_types.PowerModes, "nvpmodel:15W+nvpmodel:7W", "must be KIND:VALUE"),
        (field_types.PowerModes, {"min": 1, "max": 2}, "must be a word or a list of words"),
        (
            field_types.PowerModes,
            ["nvpmodel:15W", "nvpmodel:MAXN+jetson_clocks:on"],
            "must set what the first mode sets, in that order: nvpmodel",
        ),
        (field_types.MeterChoice, 3, "must be a meter or"),
        (field_types.MeterChoice, {"command": "wattmeter -w"}, "valid tuple"),
        (field_types.Rounds, 2, "must be 0 or a whole number from 3 to 99"),
        (field_types.Rounds, -3, "must be 0 or a whole number from 3 to 99"),
        (field_types.Workload, {"onnx": "m.onnx"}, "Field required"),
        (field_types.Workload, 3, r"must be file\.py:Class"),
    ],
)
def test_what_is_wrong_is_refused(kind, raw, message):
    with pytest.raises(ValidationError, match=message):
        validate(kind, raw)


def test_all_groups_are_checked_in_one_pass():
    with pytest.raises(ValidationError, match="2 validation errors") as caught:
        validate(field_types.Sparsity, {"stem": 2, "stage1": 0.1, "stage2": -1})
    assert [error["loc"] for error in caught.value.errors()] == [("stem",), ("stage2",)]


@pytest.mark.parametrize(
    ("kind", "fits", "breaks"),
    [
        (field_types.FileName, ["a", "v1.2"], ["", "a/b", "-a"]),
        (field_types.Workload, ["w.py:W", "a.b:C"], ["w.py", "w", ":W"]),
        (field_types.PowerModes, ["a:b", "a:b+c:d"], ["a", "a:b+", "a:b c:d"]),
    ],
)
def test_patterns_for_editors_agree(kind, fits, breaks):
    schema = TypeAdapter(kind).json_schema()
    pattern = schema.get("pattern") or schema["anyOf"][0]["pattern"]
    assert all(re.search(pattern, text) for text in fits)
    assert not any(re.search(pattern, text) for text in breaks)


def test_all_power_modes_are_checked_in_one_pass():
    with pytest.raises(ValidationError, match="2 validation errors") as caught:
        validate(field_types.PowerModes, ["governor:a", "b", "governor:c", "nvpmodel:d"])
    assert [error["loc"] for error in caught.value.errors()] == [(1,), (3,)]
