from __future__ import annotations

import json
from dataclasses import replace

import pytest

from evaluators.measurement import Quantity
from evaluators.peak import Peak
from reports.ceiling import ceiling, ceiling_json
from tests.reports.page_words import words

MACS = 12_000_000


def with_median(record, macs=MACS, provenance="measured"):
    """Return a record whose model has so many MACs, and takes 1 ms for them."""
    latency = Quantity(0.001, "s", "p50", provenance, 0.0008, 0.00125)
    facts = {"compress": {"pruning": {"macs_after": macs}}}
    return replace(record, facts=facts, quantities={**record.quantities, "latency_p50_s": latency})


def peak(value, provenance="measured", flags=()):
    found = Quantity(value, "1/s", "a net of 0.46 GMAC, 2 threads", provenance, 0.9 * value, value)
    return Peak("openvino", "int8", found, list(flags))


def test_a_row_has_what_is_reached_the_peak_and_a_bar(build):
    run = replace(build.run(with_median(build.record())), peaks=[peak(48e9)])
    html = ceiling(run)
    assert "openvino int8 0 12.0 48.0 25.0 % a net of 0.46 GMAC, 2 threads" in words(html)
    assert 'style="width:25.0%"' in html


def test_a_member_faster_than_the_peak_is_shown_as_it_is(build):
    run = replace(build.run(with_median(build.record())), peaks=[peak(10e9)])
    html = ceiling(run)
    assert "120 %" in words(html)
    assert 'style="width:100.0%"' in html


def test_both_numbers_marks_are_on_the_share(build):
    reached = with_median(build.record(), provenance=build.STAND_IN)
    marked = peak(48e9, build.STAND_IN, ["other work took 23 %"])
    html = ceiling(replace(build.run(reached), peaks=[marked]))
    assert "12.0* 48.0*! 25.0 %*!" in words(html)
    assert f'title="{build.STAND_IN.replace(chr(39), "&#x27;")}"' in html


def test_an_older_run_says_what_is_unavailable_and_why(small_run):
    text = words(ceiling(small_run))
    assert "openvino int8 1 - - - unavailable: the model's multiply-accumulates aren't" in text
    assert "unavailable: not measured in this run; python -m search confirm" in text
    (found,) = json.loads(json.dumps(ceiling_json(small_run), allow_nan=False))
    assert (found["macs"], found["share_of_peak"]) == (None, None)
    assert found["macs_per_s"]["value"] is None
    assert found["peak_macs_per_s"]["provenance"].startswith("unavailable: ")


def test_json_has_plain_numbers_in_si(build):
    run = replace(build.run(with_median(build.record())), peaks=[peak(48e9)])
    (found,) = json.loads(json.dumps(ceiling_json(run), allow_nan=False))
    assert (found["engine"], found["precision"], found["trial"]) == ("openvino", "int8", 0)
    assert found["macs"] == MACS
    assert found["macs_per_s"]["value"] == pytest.approx(12e9)
    assert found["macs_per_s"]["interval"] == pytest.approx([9.6e9, 15e9])
    assert found["peak_macs_per_s"] == {
        "value": 48e9, "interval": pytest.approx([43.2e9, 48e9]), "provenance": "measured",
        "method": "a net of 0.46 GMAC, 2 threads", "flags": [],
    }  # fmt: skip
    assert found["share_of_peak"] == pytest.approx(0.25)


def test_without_a_front_there_is_no_section(build):
    assert ceiling(build.run()) == ""
    assert ceiling_json(build.run()) == []


def test_text_from_outside_is_escaped(evil_run):
    assert "<img" not in ceiling(evil_run)
