"""The two pages that a person reads."""

from dataclasses import replace

import pytest

from evaluators.measurement import Quantity
from reports.bundle.card import model_card
from reports.bundle.facts import bundle_facts
from reports.bundle.processing import processing
from spaces.objectives import figure_objective


def card(exported):
    return model_card(exported, bundle_facts(exported))


def test_the_card_says_what_was_measured_and_on_what(exported):
    text = card(exported)
    assert text.startswith("# nuc, trial 0: openvino int8, sparsity 0.50, epochs 2\n")
    assert f"SHA-256 `{exported.record.artifact_sha256}`" in text
    assert "measured on Xeon, 4 CPUs, Linux-6.1" in text
    assert "| latency p90 | 0.500 ms | 0.475 to 0.550 | 0.50x |" in text
    assert "| accuracy | 0.940 | 0.930 to 0.950 | -0.020 |" in text
    assert "| power | - |  |  |" in text
    assert "Measured in 1 fresh process." in text
    assert "Not confirmed" in text
    assert "latency_p90_ms <= 5, accuracy >= 0.91. This model keeps all." in text
    assert "- sparsity: 0.5\n" in text
    assert "with the unpruned model as its teacher" in text
    assert "## What isn't known" in text


def test_the_card_marks_what_is_no_measurement_of_the_device(stand_in):
    text = card(stand_in)
    assert "> No Edge TPU here: a stand-in.\n" in text
    assert "| latency p90 | 0.500* ms |" in text
    assert "| power | 2.00~ W |" in text
    assert "- `*` stand-in: on this machine's CPU (Xeon) instead of coral-usb" in text
    assert "- `~` estimated: share of CPU time" in text


def test_the_card_hides_nothing_that_went_wrong(exported_of):
    found = exported_of(
        baseline=False,
        flags=["other work took 30 % of the CPUs"],
        violations={"latency_p90_ms": 0.2, "accuracy": -0.1},
        notes=["2 ops stay float."],
    )
    told = [figure_objective(f"edgetpu_{name}", "minimize") for name in ("cpu_ops", "cycles")]
    for objective, provenance in zip(told, ("measured", "estimated: a fit"), strict=True):
        number = Quantity(2.0, "1", "told", provenance)
        found.record.quantities[objective.si_name] = number
    facts = replace(found.run.facts, figures=tuple(told))
    text = card(replace(found, run=replace(found.run, facts=facts)))
    assert "Disturbed while measured (`!`): other work took 30 % of the CPUs" in text
    assert "This model breaks latency_p90_ms." in text
    assert "There is no baseline yet" in text
    assert "- 2 ops stay float.\n" in text
    assert "The engine's compiler said:\n\n- edgetpu_cpu_ops: 2\n" in text
    assert "edgetpu_cycles: 2" not in text


def test_processing_says_what_to_feed_and_how_answers_are_judged(exported):
    text = processing(bundle_facts(exported), exported.notes)
    assert "- `image`: float32 (1, 3, 4), -1.00 to 1.00" in text
    assert "- `output_0`: float32 (1, 2)" in text
    assert "judged by accuracy, of which more is better" in text
    assert "```python\ndef score(): ...\n```" in text
    assert "From `digits.py:Digits`:\n\n> Digits, as they are.\n" in text
    assert "- threads: `1`" in text


@pytest.mark.parametrize("page", [card, lambda e: processing(bundle_facts(e), e.notes)])
def test_no_text_of_a_workload_ends_a_page(exported, page):
    notes = {"documentation": "", "score": "x = '''```'''\n"}
    odd = replace(exported, notes=notes, workload="a\nb\x1b[31m.py:C")
    text = page(odd)
    assert "\x1b" not in text
    assert "a b" in text
    if "score" in text:
        assert "````python\nx = '''```'''\n````" in text


def test_an_application_is_told_the_power_mode(exported):
    facts = bundle_facts(exported)
    assert "power mode" not in processing(facts, exported.notes)
    facts["power_mode"] = "nvpmodel:15W"
    assert "- power mode of the device: `nvpmodel:15W`\n" in processing(facts, exported.notes)
