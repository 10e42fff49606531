from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go

from reports.candidates import candidates
from reports.pareto_drawing import pareto_drawing
from search.records import Failure
from spaces.objectives import ACCURACY, OBJECTIVES

LATENCY, MEMORY = OBJECTIVES["latency_p90_ms"], OBJECTIVES["peak_memory_mib"]


def gated(build):
    record = build.record(0.75)
    known = {n: q for n, q in record.quantities.items() if n != "accuracy"}
    return replace(record, quantities=known, failure=Failure("gated", "dominated", "compress"))


def traces(run, x, y):
    figure = pareto_drawing(run, candidates(run), x, y)
    go.Figure(figure)
    return {trace["name"]: trace for trace in figure["data"]}


def test_a_gated_trial_is_drawn_apart_where_both_numbers_are_known(build):
    run = build.run(build.record(0.5), gated(build))
    found = traces(run, LATENCY, MEMORY)
    assert found["gated"]["x"] == [0.75]
    assert found["gated"]["customdata"] == [1]


def test_a_gated_trial_is_a_tick_at_the_edge_where_one_is_not(build):
    run = build.run(build.record(0.5), gated(build))
    tick = traces(run, LATENCY, ACCURACY)["gated, accuracy unknown"]
    assert (tick["x"], tick["yaxis"], tick["marker"]["symbol"]) == ([0.75], "y2", "line-ns")
    tick = traces(run, ACCURACY, LATENCY)["gated, accuracy unknown"]
    assert (tick["y"], tick["xaxis"], tick["marker"]["symbol"]) == ([0.75], "x2", "line-ew")


def test_of_many_trials_only_the_front_and_the_baseline_have_bars(build):
    many = [build.record(2.0 + n / 1000) for n in range(101)]
    run = build.run(build.record(0.5), *many, baseline=build.record(1.0))
    found = traces(run, LATENCY, MEMORY)
    assert found["dominated"]["error_x"] == {"visible": False}
    assert len(found["on the front"]["error_x"]["array"]) == 1
    assert len(found["baseline"]["error_x"]["array"]) == 1
