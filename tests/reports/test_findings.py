from __future__ import annotations

from html.parser import HTMLParser

import pytest

from reports import findings
from reports.knobs import knobs


def words(html):
    """Return the text of a section, with tags and data gone and white space single."""
    found = []
    parser = HTMLParser()
    parser.handle_data = lambda text: found.append("" if text.startswith("{") else text)
    parser.feed(html)
    return " ".join(" ".join(found).split())


@pytest.fixture
def varied_run(build):
    return build.run(
        *(build.record(1.0 + 0.1 * (n % 3), sparsity=0.5 * (n >= 6)) for n in range(12))
    )


def test_each_parameter_has_its_share_of_each_objective(varied_run):
    html = findings.knob_section(varied_run, knobs(varied_run))
    assert "sparsity 12 0 % 0 % 0 %" in words(html)
    assert html.count("<details open>") == 1


def test_few_trials_have_effects_but_no_shares(small_run):
    assert "sparsity 4 - - -" in words(findings.knob_section(small_run, knobs(small_run)))


def test_without_a_parameter_that_varies_there_is_no_section(build):
    assert findings.knob_section(build.run(build.record()), []) == ""


def test_what_the_numbers_rest_on_is_listed(small_run):
    text = words(findings.validity(small_run))
    assert "How the numbers of trial 1 were obtained:" in text
    assert "latency p90 0.250 ms 0.237 to 0.275 100 p90 measured" in text


def test_what_disturbed_is_counted(build):
    run = build.run(*(build.record(flags=["other work took 23 %"]) for _ in range(3)))
    assert "3 x other work took 23 %" in words(findings.validity(run))


def test_before_a_model_can_be_taken_the_baseline_stands_for_it(build):
    run = build.run(build.failed(), baseline=build.record())
    assert "How the numbers of the baseline were obtained:" in words(findings.validity(run))
    assert findings.validity(build.run()) == ""
