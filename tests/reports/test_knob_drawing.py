from __future__ import annotations

import plotly.graph_objects as go
import pytest

from reports.candidates import candidates
from reports.knob_drawing import effect_drawing, parallel_drawing
from reports.knobs import knobs
from spaces.objectives import OBJECTIVES


@pytest.fixture
def varied_run(build):
    records = [
        build.record(1.0 + n, sparsity=0.1 * n, params={"distillation.alpha": 0.5} if n else {})
        for n in range(4)
    ]
    words = [build.record(9.0, params={"precision": "bf16", "distillation.alpha": 0.25})]
    return build.run(*records, *words, build.failed(), baseline=build.record(1.0))


def axes(run, most=9):
    figure = parallel_drawing(run, candidates(run), knobs(run), most)
    go.Figure(data=figure["data"], layout=figure["layout"])
    return figure, {each["label"]: each for each in figure["data"][0]["dimensions"]}


def test_measured_trials_are_lines_over_parameters_then_objectives(varied_run):
    figure, found = axes(varied_run)
    assert figure["rows"] == [0, 1, 2, 3, 4]
    assert list(found)[-3:] == ["latency p90, ms", "peak memory, MiB", "accuracy"]
    assert found["latency p90, ms"]["values"] == [1, 2, 3, 4, 9]


def test_words_have_a_place_each(varied_run):
    _, found = axes(varied_run)
    assert found["precision"]["ticktext"] == ["bf16", "int8"]
    assert found["precision"]["values"] == [1, 1, 1, 1, 0]


def test_what_a_trial_does_not_have_runs_below_the_axis(varied_run):
    _, found = axes(varied_run)
    alpha = found["distillation.alpha"]
    assert alpha["ticktext"] == ["none", "0.250", "0.500"]
    assert alpha["values"][0] == alpha["tickvals"][0] < 0.25
    assert alpha["values"][1:] == [0.5, 0.5, 0.5, 0.25]


def test_only_the_most_important_parameters_have_an_axis(varied_run):
    assert len(axes(varied_run, most=1)[1]) == 1 + 3


def test_one_line_is_no_figure(build):
    run = build.run(build.record())
    assert parallel_drawing(run, candidates(run), [], 9) is None


def test_an_effect_has_a_median_a_bar_and_the_baseline(build):
    run = build.run(
        *(build.record(1.0 + n, sparsity=0.5 * (n >= 5)) for n in range(10)),
        baseline=build.record(6.0),
    )
    figure = effect_drawing(run, knobs(run)[0], OBJECTIVES["latency_p90_ms"])
    go.Figure(figure)
    assert figure["data"][0]["x"] == ["0", "0.5"]
    assert figure["data"][0]["y"] == [3, 8]
    assert figure["data"][0]["error_y"]["array"] == pytest.approx([1.6, 1.6])
    assert figure["layout"]["shapes"][0]["y0"] == pytest.approx(6.0)


def test_ticks_too_near_to_be_read_are_left_out(build):
    run = build.run(*(build.record(ms) for ms in (1.0, 5.0, 5.1, 6.0)))
    _, found = axes(run)
    assert found["latency p90, ms"]["tickvals"] == [1, 5, 6]
