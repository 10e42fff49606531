import json

import pytest

from evaluators.benchmark.survey import survey_from_json, survey_here
from evaluators.engines import engine_names, load_engine


@pytest.mark.parametrize("meter", [None, "command"])
def test_a_survey_comes_over_the_wire_as_it_was(meter):
    here = survey_here(meter)
    there = survey_from_json(json.loads(json.dumps(here._asdict())))
    assert there._replace(fingerprint="") == here._replace(
        fingerprint="", environment=there.environment
    )
    assert list(there.engines) == engine_names()


def test_another_version_of_an_engine_is_another_board():
    data = json.loads(json.dumps(survey_here("command")._asdict()))
    before = survey_from_json(data).fingerprint
    assert survey_from_json(data).fingerprint == before
    data["engines"]["litert"][0] = "0.0.1"
    assert survey_from_json(data).fingerprint != before


def test_another_build_of_a_runtime_is_another_board():
    data = json.loads(json.dumps(survey_here("command")._asdict()))
    before = survey_from_json(data).fingerprint
    assert data["engines"]["onnxruntime"][-1] == "onnxruntime"
    data["engines"]["onnxruntime"][-1] = "onnxruntime-gpu"
    assert survey_from_json(data).fingerprint != before


def test_an_engine_that_is_missing_is_not_asked_for_more(monkeypatch):
    engine = load_engine("litert")
    monkeypatch.setattr(type(engine), "missing", lambda _: ("a package", "pip install it"))
    found = survey_here("command").engines["litert"]
    assert found == (None, ("a package", "pip install it"), None, None, None, None)


def test_only_the_meter_that_was_asked_for_is_looked_at():
    found = survey_here("command")
    assert [meter.name for meter in found.meters] == ["command"]
    assert found.named == found.meters[0]
    assert "device.meter: {command:" in found.named.unavailable_reason
