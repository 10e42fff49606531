import json
import re
from pathlib import Path

import pytest
import yaml

from spaces.json_schema import space_json_schema

SPACES = Path(__file__).parents[2] / "spaces"


def test_the_published_copy_is_current():
    """Write it anew with ``python -m search schema > spaces/space.schema.json``."""
    text = json.dumps(space_json_schema(), indent=2) + "\n"
    assert (SPACES / "space.schema.json").read_text(encoding="utf-8") == text


def test_every_key_is_explained():
    schema = space_json_schema()
    for section in [schema, *schema["$defs"].values()]:
        for key, entry in section["properties"].items():
            target = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
            assert entry.get("description") or target["description"], key


def test_defaults_are_written_as_in_a_file():
    properties = space_json_schema()["$defs"]["Distillation"]["properties"]
    assert properties["temperature"]["default"] == 4.0
    assert space_json_schema()["$defs"]["Pruning"]["properties"]["importance"]["default"] == "l2"


def test_objectives_are_completed_and_others_allowed():
    properties = space_json_schema()["properties"]
    names, others = properties["objectives"]["items"]["anyOf"]
    assert "latency_p90_ms" in names["enum"]
    assert others == {"type": "string", "minLength": 1}
    assert set(properties["constraints"]["properties"]) == set(names["enum"])


@pytest.mark.parametrize("name", ["coral", "cpu", "nuc", "jetson", "ethos-u"])
def test_the_shipped_files_satisfy_the_schema(name):
    data = yaml.safe_load((SPACES / f"{name}.yaml").read_text(encoding="utf-8"))
    schema = space_json_schema()
    assert violations(data, schema, schema) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("search", "sparsity"), 1.2),
        (("search", "sparsity"), {"min": 0, "max": 1.2}),
        (("search", "precision"), ["int4"]),
        (("search", "distillation"), {"alpha": 0.5}),
        (("budget", "timeout"), "1:30"),
        (("budget", "trials"), 0),
        (("device", "engines"), []),
        (("device", "meter"), {"command": []}),
        (("device", "meter"), {"command": "wattmeter"}),
        (("device", "meter"), ["wattmeter"]),
        (("constraints", "accuracy"), {"mx": 1}),
        (("nonsense",), 3),
        (("profile",), "mobil"),
        (("workload",), "workload.py"),
    ],
)
def test_the_schema_refuses_what_the_program_refuses(path, value):
    data = yaml.safe_load((SPACES / "coral.yaml").read_text(encoding="utf-8"))
    *above, last = path
    target = data
    for key in above:
        target = target[key]
    target[last] = value
    schema = space_json_schema()
    assert violations(data, schema, schema)


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def violations(value, schema, root):
    """Return what in ``value`` breaks ``schema``: the part of JSON Schema that ours uses."""
    if "$ref" in schema:
        return violations(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        options = [violations(value, option, root) for option in schema["anyOf"]]
        return [] if [] in options else [f"{value!r} is none of anyOf"]
    found = [] if _has_type(value, schema) else [f"{value!r} isn't {schema['type']}"]
    found += [f"{value!r} breaks {key}" for key in _broken(value, schema)]
    if isinstance(value, list):
        found += [
            error for item in value for error in violations(item, schema.get("items", {}), root)
        ]
    if isinstance(value, dict):
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", True))
            if inner is False:
                found.append(f"{key} is unknown")
            elif inner is not True:
                found += violations(item, inner, root)
    return found


def _has_type(value, schema):
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    fits = [isinstance(value, TYPES[name]) for name in names]
    is_boolean = isinstance(value, bool) and "boolean" not in names
    return not names or (any(fits) and not is_boolean)


def _broken(value, schema):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    checks = {
        "enum": lambda rule: value in rule,
        "minimum": lambda rule: not is_number or value >= rule,
        "exclusiveMinimum": lambda rule: not is_number or value > rule,
        "maximum": lambda rule: not is_number or value <= rule,
        "exclusiveMaximum": lambda rule: not is_number or value < rule,
        "pattern": lambda rule: not isinstance(value, str) or re.search(rule, value),
        "minItems": lambda rule: not isinstance(value, list) or len(value) >= rule,
        "minLength": lambda rule: not isinstance(value, str) or len(value) >= rule,
        "required": lambda rule: not isinstance(value, dict) or set(rule) <= set(value),
        "propertyNames": lambda rule: (
            not isinstance(value, dict) or not set(value) & set(rule["not"]["enum"])
        ),
    }
    return [key for key, check in checks.items() if key in schema and not check(schema[key])]
