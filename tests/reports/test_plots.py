from __future__ import annotations

import math
from dataclasses import replace

import pytest

from reports.plots import (
    drift_figure,
    effect_figure,
    hypervolume_figure,
    parallel_figure,
    pareto_figure,
)
from search.drift import CanaryReading
from search.front import hypervolume
from spaces.objectives import OBJECTIVES, Objective

LATENCY, MEMORY, ACCURACY = "latency_p90_ms", "peak_memory_mib", "accuracy"


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def test_each_outcome_is_drawn_apart_and_failures_not_at_all(small_run):
    found = traces(pareto_figure(small_run, LATENCY, ACCURACY))
    assert {name: list(trace.x) for name, trace in found.items()} == {
        "dominated": [0.75],
        "breaks a constraint": [pytest.approx(0.1)],
        "on the front": [0.5, 0.25],
        "baseline": [1.0],
    }
    assert len({trace.marker.color for trace in found.values()}) == 4
    assert {trace.mode for trace in found.values()} == {"markers"}


def test_intervals_are_error_bars_in_the_unit_of_the_axis(small_run):
    front = traces(pareto_figure(small_run, LATENCY, MEMORY))["on the front"]
    assert list(front.error_x.array) == pytest.approx([0.05, 0.025])
    assert list(front.error_x.arrayminus) == pytest.approx([0.025, 0.0125])
    assert front.error_y.visible is False


def test_what_was_measured_on_the_device_is_filled_and_round(small_run):
    figure = pareto_figure(small_run, LATENCY, ACCURACY)
    assert traces(figure)["on the front"].marker.symbol == "circle"
    assert figure.layout.xaxis.title.text.startswith("latency p90, ms<br>lower is better")
    assert figure.layout.yaxis.title.text == "accuracy<br>higher is better"


def test_a_stand_in_has_another_shape_and_its_axis_says_so(stand_in_run):
    figure = pareto_figure(stand_in_run, LATENCY, ACCURACY)
    assert traces(figure)["on the front"].marker.symbol == "diamond"
    assert figure.layout.xaxis.title.text.startswith("latency p90, ms (stand-in)<br>lower is")


@pytest.mark.parametrize(
    ("x", "y", "axis"), [("power_w", ACCURACY, "x"), (LATENCY, "power_w", "y")]
)
def test_an_estimate_is_hollow_and_its_axis_says_so(stand_in_run, x, y, axis):
    figure = pareto_figure(stand_in_run, x, y)
    assert traces(figure)["on the front"].marker.symbol == "diamond-open"
    assert traces(figure)["baseline"].marker.symbol == "star-diamond-open"
    title = figure.layout[f"{axis}axis"].title.text
    assert title == "power, W (estimated)<br>lower is better"


def test_a_point_shows_its_parameters_when_pointed_at(small_run):
    front = traces(pareto_figure(small_run, LATENCY, ACCURACY))["on the front"]
    assert front.hovertext[0] == (
        "<b>trial 0, on the front</b><br>latency p90: 0.500 ms (0.50x)<br>"
        "peak memory: 2.00 MiB (0.50x)<br>accuracy: 0.940 (-0.020)<br>engine: openvino<br>"
        "precision: int8<br>sparsity: 0.5<br>distillation.epochs: 2<br>openvino.threads: 1"
    )


def test_text_from_outside_is_no_markup_in_a_plot(evil_run):
    figure = pareto_figure(evil_run, LATENCY, ACCURACY)
    hover = " ".join(text for trace in figure.data for text in trace.hovertext)
    assert "<img" not in hover
    assert "&lt;img" in hover


def test_what_has_no_number_on_an_axis_is_not_drawn_at_zero(small_run):
    figure = pareto_figure(small_run, LATENCY, "power_w")
    assert len(figure.data) == 0
    assert figure.layout.annotations[0].text == "Nothing has been measured yet."


def test_only_an_axis_of_several_magnitudes_is_logarithmic(build):
    run = build.run(build.record(0.5, 4.0), build.record(50.0, 8.0))
    figure = pareto_figure(run, LATENCY, MEMORY)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "linear")


def lines_and_areas(figure):
    """Return the text and place of each line, and the ends of each shaded area, by its axis."""
    lines, areas = {}, []
    for shape in figure.layout.shapes:
        axis = "x" if shape.xref == "x" else "y"
        ends = (shape[f"{axis}0"], shape[f"{axis}1"])
        if shape.type == "line":
            assert ends[0] == ends[1]
            lines[shape.label.text] = (axis, ends[0])
        else:
            areas.append((axis, *ends))
    return lines, areas


def test_a_bound_is_a_line_whose_wrong_side_is_shaded(build):
    run = build.run(
        build.record(1.0, 4.0),
        build.record(2.0, 8.0),
        bounds={LATENCY: (None, 1.5), MEMORY: (5.0, None)},
    )
    figure = pareto_figure(run, LATENCY, MEMORY)
    lines, areas = lines_and_areas(figure)
    assert lines == {"at most 1.5 ms": ("x", 1.5), "at least 5 MiB": ("y", 5.0)}
    right, bottom = figure.layout.xaxis.range[1], figure.layout.yaxis.range[0]
    assert areas == [("x", 1.5, right), ("y", bottom, 5.0)]


def test_a_range_is_shaded_on_both_sides(build):
    run = build.run(build.record(1.0), build.record(2.0), bounds={LATENCY: (1.25, 1.75)})
    figure = pareto_figure(run, LATENCY, ACCURACY)
    lines, areas = lines_and_areas(figure)
    left, right = figure.layout.xaxis.range
    assert lines == {"at least 1.25 ms": ("x", 1.25), "at most 1.75 ms": ("x", 1.75)}
    assert areas == [("x", left, 1.25), ("x", 1.75, right)]


def test_a_bound_on_another_axis_or_on_none_is_not_drawn(build):
    run = build.run(build.record(), bounds={"power_w": (None, 5.0), LATENCY: (None, None)})
    assert pareto_figure(run, LATENCY, MEMORY).layout.shapes == ()


def test_a_bound_far_beyond_is_told_instead_of_squeezing_the_points(small_run):
    figure = pareto_figure(small_run, LATENCY, ACCURACY)
    assert figure.layout.xaxis.title.text == (
        "latency p90, ms<br>lower is better<br>bound outside: at most 5 ms"
    )
    assert figure.layout.xaxis.range[1] < 1.5
    assert lines_and_areas(figure)[0] == {"at least 0.91": ("y", 0.91)}


def test_where_every_point_breaks_a_bound_the_whole_plot_is_shaded(build):
    run = build.run(build.record(10.0), build.record(12.0), bounds={LATENCY: (None, 0.01)})
    figure = pareto_figure(run, LATENCY, ACCURACY)
    assert lines_and_areas(figure) == ({}, [("x", *figure.layout.xaxis.range)])
    assert "bound outside: at most 0.01 ms" in figure.layout.xaxis.title.text


def test_a_logarithmic_axis_has_its_range_in_decades_and_its_bound_in_units(build):
    run = build.run(build.record(1.0), build.record(100.0), bounds={LATENCY: (None, 200.0)})
    figure = pareto_figure(run, LATENCY, ACCURACY)
    low, high = figure.layout.xaxis.range
    assert low < math.log10(0.95)
    assert high > math.log10(200)
    lines, ((_, start, end),) = lines_and_areas(figure)
    assert lines == {"at most 200 ms": ("x", 200.0)}
    assert (start, end) == (200.0, pytest.approx(10**high))


@pytest.mark.parametrize("latency_ms", [[0.1, 1.0], [1.0, 100.0], [3.0], [0.0]])
def test_every_point_lies_inside_the_plot_with_its_interval(build, latency_ms):
    run = build.run(*map(build.record, latency_ms))
    figure = pareto_figure(run, LATENCY, ACCURACY)
    low, high = figure.layout.xaxis.range
    if figure.layout.xaxis.type == "log":
        low, high = 10**low, 10**high
    assert low < min(latency_ms) * 0.95 or low < 0
    assert high > max(latency_ms) * 1.1


def test_an_unknown_axis_is_refused(small_run):
    with pytest.raises(ValueError, match=r"an axis must be one of latency_p50_ms.* got 'speed'"):
        pareto_figure(small_run, "speed", ACCURACY)


def test_the_workloads_own_metric_is_an_axis(build):
    metric = Objective("top_1", "maximize", "", "accuracy")
    run = build.run(build.record(), metric=metric, objectives=(OBJECTIVES[LATENCY], metric))
    assert pareto_figure(run, LATENCY, "top_1").layout.yaxis.title.text.startswith("top 1")


def test_hypervolume_grows_trial_by_trial_to_that_of_the_run(small_run):
    (line,) = hypervolume_figure(small_run).data
    assert list(line.x) == [1, 2, 3, 4, 5]
    assert list(line.y) == sorted(line.y)
    assert 0 < line.y[0] < line.y[1]
    assert line.y[-1] == pytest.approx(hypervolume(small_run), rel=1e-5)
    assert line.line.dash == "solid"


def test_hypervolume_of_estimates_is_dashed_and_says_so(stand_in_run):
    figure = hypervolume_figure(stand_in_run)
    assert figure.data[0].line.dash == "dash"
    assert figure.layout.yaxis.title.text == "hypervolume (power estimated)"


def test_without_a_baseline_there_is_no_hypervolume(build):
    figure = hypervolume_figure(build.run(build.record()))
    assert len(figure.data) == 0
    assert figure.layout.annotations[0].text == "It takes a baseline and a trial."


def test_on_parallel_axes_the_front_is_told_apart(small_run):
    (lines,) = parallel_figure(small_run).data
    *_, accuracy = lines.dimensions
    assert list(accuracy["values"]) == [0.94, 0.93, 0.92, 0.9]
    dominated, infeasible = lines.line.color[2:]
    assert lines.line.color[0] == lines.line.color[1] > dominated == infeasible


def test_parallel_axes_say_what_is_estimated_or_on_a_stand_in(build, stand_in_run):
    twice = replace(stand_in_run, trials=[*stand_in_run.trials, *stand_in_run.trials])
    labels = [axis.label for axis in parallel_figure(twice).data[0].dimensions]
    expected = ["latency p90, ms (stand-in)", "power, W (estimated)", "accuracy (stand-in)"]
    assert labels[-3:] == expected


def test_one_trial_is_too_few_for_parallel_axes(build):
    figure = parallel_figure(build.run(build.record()))
    assert figure.layout.annotations[0].text == "It takes two measured trials."


@pytest.fixture
def varied_run(build):
    records = [build.record(1.0 + n, sparsity=0.5 * (n >= 5), power_w=2.0) for n in range(10)]
    names = (LATENCY, "power_w", ACCURACY)
    return build.run(*records, objectives=tuple(OBJECTIVES[name] for name in names))


def test_an_effect_is_drawn_over_the_values_of_a_parameter(varied_run):
    figure = effect_figure(varied_run, "sparsity", LATENCY)
    assert list(figure.data[0].x) == ["0", "0.5"]
    assert list(figure.data[0].y) == [3, 8]
    assert figure.layout.yaxis.title.text == "latency p90, ms"


def test_an_effect_on_an_estimate_says_so(varied_run):
    figure = effect_figure(varied_run, "sparsity", "power_w")
    assert figure.layout.yaxis.title.text == "power, W (estimated)"


def test_an_effect_of_what_did_not_vary_or_on_what_is_no_objective_is_refused(varied_run, build):
    with pytest.raises(ValueError, match="which is sparsity, but got 'precision'"):
        effect_figure(varied_run, "precision", LATENCY)
    with pytest.raises(ValueError, match="which is none of this run, but got 'sparsity'"):
        effect_figure(build.run(build.record()), "sparsity", LATENCY)
    with pytest.raises(ValueError, match=r"one of the run's, latency_p90_ms, .* got 'latency'"):
        effect_figure(varied_run, "sparsity", "latency")


def test_drift_is_the_baselines_time_over_that_at_the_beginning(small_run):
    readings = [CanaryReading(2, 1.01, 0.0), CanaryReading(4, 1.2, 1.0)]
    (line,) = drift_figure(replace(small_run, canary=readings)).data
    assert (list(line.x), list(line.y)) == ([2, 4], [1.01, 1.2])
    assert list(line.marker.symbol) == ["circle", "x"]


def test_where_nobody_looked_for_drift_the_figure_says_so(small_run):
    figure = drift_figure(small_run)
    assert len(figure.data) == 0
    assert figure.layout.annotations[0].text == "The baseline wasn't timed again."
