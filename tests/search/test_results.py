"""Results over records whose numbers are chosen; `test_api` has those of a real search."""

from __future__ import annotations

import pytest

from search.errors import UsageError
from search.results import Results
from search.run_directory import RunDirectory
from spaces.objectives import OBJECTIVES


@pytest.fixture
def results_of(tmp_path, build):
    """Return a function that makes results of records, with a baseline."""

    def make(*records, **changes):
        changes = {"baseline": build.record(1.0, 4.0, 0.95), **changes}
        return Results(build.run(*records, **changes), RunDirectory(tmp_path))

    return make


@pytest.fixture
def found(results_of, build):
    """Trials 0 and 1 are the front, 2 is rejected."""
    return results_of(
        build.record(0.5, 2.0, 0.94), build.record(0.25, 4.0, 0.93), build.failed("rejected")
    )


def test_it_says_in_a_line_what_was_found_and_where(found, tmp_path):
    said = f"<tiny: 2 on the front of 3 finished trials; here, on a CPU; {tmp_path}>"
    assert repr(found) == said


def test_as_text_and_in_a_notebook_it_is_its_front(found):
    for shown in (str(found), found._repr_html_()):
        assert "2 on the front of 3 finished trials" in shown
        assert "0.250" in shown
        assert "baseline" in shown
    assert found._repr_html_().startswith("<pre")


def test_markup_from_outside_stays_text_in_a_notebook(results_of, build):
    html = results_of(build.record(), name="<img src=x>")._repr_html_()
    assert "&lt;img src=x&gt;" in html
    assert "<img" not in html


def test_tables_are_data_frames(found):
    assert found.front()["trial"].tolist() == [1, 0]
    assert found.trials()["failure_kind"].isna().tolist() == [True, True, False]
    assert found.baseline()["latency_p90_ms"] == pytest.approx(1.0)
    assert found.failures()["trials"].tolist() == [(2,)]


def test_without_a_baseline_there_is_none_to_return(results_of, tmp_path):
    with pytest.raises(UsageError, match=f"{tmp_path} has no baseline yet"):
        results_of(baseline=None).baseline()


def test_the_recommended_trial_has_what_it_was_asked_for(found):
    best = found.recommend(accuracy=0.935, peak_memory_mib=3.0)
    assert (best["trial"], best["accuracy"], best["outcome"]) == (0, 0.94, "front")
    assert found.recommend().name == "trial 1"


def test_a_budget_that_is_no_objective_is_shown_too(results_of, build):
    found = results_of(build.record(0.5, more={"model_size_mib": 0.25}))
    assert "model_size_mib" not in found.recommend().index
    best = found.recommend(model_size_mib=0.3)
    assert best["model_size_mib"] == pytest.approx(0.25)
    assert best["model_size_mib_provenance"] == "measured"


def titles(figure):
    return [figure.layout[f"{axis}axis"].title.text.partition("<br>")[0] for axis in "xy"]


def test_the_front_is_drawn_by_the_first_objective_and_the_metric(found):
    assert titles(found.plot_front()) == ["latency p90, ms", "accuracy"]
    assert titles(found.plot_front("peak_memory_mib")) == ["peak memory, MiB", "accuracy"]
    assert titles(found.plot_front(y="latency_p90_ms")) == ["latency p90, ms"] * 2


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (["accuracy", "peak_memory_mib", "latency_p90_ms"], ["accuracy", "peak memory, MiB"]),
        (["accuracy"], ["accuracy", "latency p90, ms"]),
    ],
)
def test_where_the_metric_is_the_first_objective_another_stands_beside_it(
    results_of, build, names, axes
):
    objectives = tuple(OBJECTIVES[name] for name in names)
    found = results_of(build.record(0.5), objectives=objectives)
    assert titles(found.plot_front()) == axes


def test_an_axis_that_does_not_exist_is_refused(found):
    with pytest.raises(ValueError, match=r"an axis must be one of latency_p50_ms, .* got 'speed'"):
        found.plot_front("speed")


def test_an_effect_is_drawn_on_the_first_objective_unless_another_is_named(results_of, build):
    params = [{"engine": "openvino", "precision": word} for word in ("fp32", "int8")]
    found = results_of(*(build.record(1.0 + n, params=params[n % 2]) for n in range(4)))
    assert titles(found.plot_effect("precision")) == ["", "latency p90, ms"]
    assert titles(found.plot_effect("precision", "accuracy"))[1] == "accuracy"
    assert found.knobs()["parameter"].tolist() == ["precision"]


def test_the_report_is_written_beside_the_run(found, tmp_path):
    assert found.report() == tmp_path / "report.html"
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"report.html", "front.csv", "trials.csv"}


def test_a_folder_that_is_there_is_never_exported_over(found, tmp_path):
    with pytest.raises(UsageError, match="--out must be a folder that isn't there yet"):
        found.export(0, tmp_path)
