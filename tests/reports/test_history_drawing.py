from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go

from reports.candidates import candidates
from reports.history_drawing import canary_drawing, hypervolume_drawing, outcomes_drawing
from search.drift import CanaryReading


def test_each_trial_has_a_mark_in_the_row_of_its_outcome(small_run):
    figure = outcomes_drawing(candidates(small_run))
    found = {trace["name"]: trace["x"] for trace in figure["data"]}
    assert found == {
        "dominated": [2],
        "breaks a constraint": [3],
        "on the front": [0, 1],
        "failed": [4],
    }
    assert {tuple(set(trace["y"])) for trace in figure["data"]} == {(name,) for name in found}
    go.Figure(figure)


def test_growth_says_how_much_work_it_took(build):
    records = [build.record(0.5 / n, stage_seconds={"compress": 60.0}) for n in (1, 2)]
    figure = hypervolume_drawing(build.run(*records, baseline=build.record(1.0)))
    texts = figure["data"][0]["hovertext"]
    assert texts[1].endswith("after 2 trials and 2 min 00 s")


def test_a_reading_beyond_the_limit_has_another_mark(build):
    readings = [CanaryReading(2, 1.01, 0.0), CanaryReading(6, 1.2, 1.0)]
    figure = canary_drawing(replace(build.run(build.record()), canary=readings))
    assert figure["data"][0]["marker"]["symbol"] == ["circle", "x"]
    assert figure["layout"]["yaxis"]["range"][1] > 1.2
    go.Figure(figure)
