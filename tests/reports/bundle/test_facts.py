import json
from dataclasses import replace

import pytest

from evaluators.bundle.folder import FORMAT_VERSION
from reports.bundle.facts import Runtime, bundle_facts, judged, runtime_of
from spaces.objectives import OBJECTIVES


def test_the_runtime_is_the_package_that_was_measured():
    installed = runtime_of("openvino", "2026.4.1-20000-abc").version
    assert installed.startswith("2026.4.1")
    assert runtime_of("onnxruntime", "0.9.1") == Runtime("onnxruntime", "0.9.1")
    gpu = runtime_of("onnxruntime", "onnxruntime-gpu 0.9.1")
    assert gpu == Runtime("onnxruntime-gpu", "0.9.1")
    assert runtime_of("litert", "ai_edge_litert 0.9.0") == Runtime("ai-edge-litert", "0.9.0")
    assert runtime_of("edgetpu", "tflite_runtime 2.5.0") == Runtime("tflite-runtime", "2.5.0")


def test_facts_say_how_it_runs_and_what_was_measured(exported):
    facts = bundle_facts(exported)
    assert facts == json.loads(json.dumps(facts))
    assert facts["format_version"] == FORMAT_VERSION
    assert facts["title"] == "nuc, trial 0: openvino int8, sparsity 0.50, epochs 2"
    assert (facts["engine"], facts["precision"]) == ("openvino", "int8")
    assert facts["flags"] == dict(exported.built.candidate.flags)
    assert facts["artifact"] == "model.blob"
    assert facts["artifact_sha256"] == exported.record.artifact_sha256
    assert facts["versions"]["numpy"] == "2.4.1"
    assert facts["device"]["machine"] == "Xeon"
    assert facts["inputs"] == [
        {"name": "image", "shape": [1, 3, 4], "dtype": "float32", "least": -1.0, "most": 1.0}
    ]
    assert facts["outputs"] == [
        {
            "name": "output_0",
            "shape": [1, 2],
            "dtype": "float32",
            "tolerance": pytest.approx(0.2),
        }
    ]
    assert facts["check"]["samples"] == 2
    latency = facts["numbers"]["latency_p90_ms"]
    assert latency["value"] == pytest.approx(0.5)
    assert latency["interval"] == [pytest.approx(0.475), pytest.approx(0.55)]
    assert (latency["provenance"], latency["n"], latency["unit"]) == ("measured", 100, "ms")
    assert latency["per_si"] * 0.0005 == pytest.approx(latency["value"])
    assert facts["numbers"]["power_w"]["provenance"].startswith("unavailable")
    assert facts["numbers"]["power_w"]["value"] is None


def test_facts_say_the_power_mode(exported):
    assert bundle_facts(exported)["power_mode"] is None
    candidate = replace(exported.built.candidate, power_mode="nvpmodel:15W")
    built = replace(exported.built, candidate=candidate)
    assert bundle_facts(replace(exported, built=built))["power_mode"] == "nvpmodel:15W"


def test_a_stand_in_is_called_one(stand_in, build):
    facts = bundle_facts(stand_in)
    assert facts["numbers"]["latency_p90_ms"]["provenance"] == build.STAND_IN
    assert facts["numbers"]["power_w"]["provenance"] == build.ESTIMATED
    assert facts["notices"] == ["No Edge TPU here: a stand-in."]


def test_only_what_was_measured_with_an_interval_is_judged(exported, stand_in):
    assert judged(exported) == judged(stand_in) == ["latency_p90_ms"]  # memory has no interval here


def test_what_the_run_asked_for_is_judged_too(exported):
    quantities = exported.record.quantities
    p90 = quantities["latency_p90_s"]
    quantities |= dict.fromkeys(("latency_p50_s", "latency_p99_s", "throughput_per_s"), p90)
    assert judged(exported) == ["latency_p50_ms", "latency_p90_ms"]
    facts = exported.run.facts
    object.__setattr__(facts, "objectives", (*facts.objectives, OBJECTIVES["latency_p99_ms"]))
    object.__setattr__(facts, "bounds", {**facts.bounds, "throughput_per_s": (1.0, None)})
    assert judged(exported)[2:] == ["latency_p99_ms", "throughput_per_s"]
