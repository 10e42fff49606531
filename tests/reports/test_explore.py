from __future__ import annotations

import re

from reports import explore
from reports.candidates import candidates
from reports.knobs import knobs
from search.drift import CanaryReading


def test_each_objective_has_a_labelled_slider(small_run):
    html = explore.budgets(small_run)
    labels = dict(re.findall(r'<label for="(budget-\d)">([^<]+)</label>', html))
    assert list(labels.values()) == ["latency p90", "peak memory", "accuracy drop"]
    assert re.findall(r'<input type="range" id="([^"]+)"', html) == list(labels)


def test_what_linked_figures_show_when_pointed_at_is_on_the_page_once(small_run):
    html = explore.pairs(small_run, candidates(small_run))
    assert html.count('"customdata"') > 3
    assert "hovertext" not in html


def test_each_figure_has_a_name_for_screen_readers_and_its_axes_for_the_script(small_run):
    html = explore.pairs(small_run, candidates(small_run))
    assert 'aria-label="Plot: latency p90 against accuracy"' in html
    assert 'data-x="latency_p90_ms" data-y="accuracy"' in html


def test_before_anything_was_measured_there_is_nothing_to_explore(build):
    run = build.run(build.failed())
    assert explore.budgets(run) == ""
    assert explore.pairs(run, candidates(run)) == ""
    assert explore.parallel_axes(run, candidates(run), knobs(run)) == ""
    assert "outcome of each trial" in explore.growth(run, candidates(run))


def test_drift_is_drawn_where_it_was_watched(small_run, build):
    assert "nothing is known of the machine's drift" in explore.canary(small_run)
    watched = type(small_run)(small_run.facts, None, (), [CanaryReading(4, 1.2, 0.0)])
    assert "drift of the machine" in explore.canary(watched)
