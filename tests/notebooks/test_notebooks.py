"""The notebooks run from top to bottom in a real kernel, and are kept without what came out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

# Other searches on the machine have its lock in turns, so a minute may become many.
pytestmark = pytest.mark.timeout(1200)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NAMES = ("01_first_run", "02_explore_front", "03_your_own_model", "04_overnight")
PLOTLY = "application/vnd.plotly.v1+json"
CELL_TIMEOUT_S = 900


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def execute(tmp_path_factory):
    """Return a function that runs a notebook as a person would, in one folder with the others.

    Each runs once. What Jupyter and the program keep for a person lies in folders of the test.
    """
    home = tmp_path_factory.mktemp("home")
    work = Path(shutil.copytree(FOLDER, home / "notebooks", ignore=shutil.ignore_patterns("runs")))
    space = work / "digits.yaml"
    # Other tests share the CPUs, so that no attempt would be any quieter.
    space.write_text(space.read_text().replace("{duration: 0.2s}", "{duration: 0.2s, attempts: 1}"))
    kept = {"EDGE_INFERENCE_SEARCH_CACHE": "cache", "IPYTHONDIR": "ipython"}
    kept |= {f"JUPYTER_{what}_DIR": what.lower() for what in ("CONFIG", "DATA", "RUNTIME")}
    env = {**os.environ, "PYTHONPATH": str(ROOT), **{k: str(home / v) for k, v in kept.items()}}
    executed = {}

    def run(name):
        if name not in executed:
            notebook = read(name)
            resources = {"metadata": {"path": str(work)}}
            client = NotebookClient(
                notebook, timeout=CELL_TIMEOUT_S, kernel_name="python3", resources=resources
            )
            client.execute(env=env)
            executed[name] = notebook
        return executed[name]

    return run


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def shown(notebook, kind):
    """Return what a notebook shows of one MIME type."""
    bundles = (output["data"] for output in outputs(notebook) if "data" in output)
    return [bundle[kind] for bundle in bundles if kind in bundle]


def test_every_notebook_is_tested():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_kept_without_what_came_out(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    for cell in notebook.cells:
        assert cell.get("execution_count") is None
        assert cell.metadata == {}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_top_to_bottom(execute, name):
    notebook = execute(name)
    said = [output for output in outputs(notebook) if output.get("name") == "stderr"]
    assert said == []
    for html in shown(notebook, "text/html"):
        assert "<script" not in html  # and so nothing is fetched to show it


def test_a_search_shows_its_progress_and_results_their_front(execute):
    found = shown(execute("01_first_run"), "text/html")
    assert any("confirmed: " in html and "hypervolume" in html for html in found)
    front = [html for html in found if "on the front of 6 finished trials" in html]
    assert front
    assert all("<pre" in html for html in front)


def test_figures_are_plotlys_own(execute):
    figures = shown(execute("01_first_run"), PLOTLY)
    assert len(figures) == 2
    assert {trace["name"] for trace in figures[0]["data"]} >= {"on the front", "baseline"}


def test_figures_of_a_front_can_be_had_one_by_one(execute):
    assert len(shown(execute("02_explore_front"), PLOTLY)) == 3


def test_a_bundle_is_exported_and_verified(execute):
    *_, verified = outputs(execute("02_explore_front"))
    assert "files: unchanged" in verified["text"]
    assert "outputs: equal to the bit" in verified["text"]


def test_problems_of_a_space_file_are_shown_with_rule_and_value(execute):
    texts = [output["text"] for output in outputs(execute("03_your_own_model")) if "text" in output]
    (problems,) = (text for text in texts if "but got 1.2" in text)
    assert "budget.trials" in problems


def test_the_failures_and_knobs_of_a_long_run_are_its_own(execute):
    tables = shown(execute("04_overnight"), "text/html")
    failures = [html for html in tables if "parallel needs at least 2 threads" in html]
    assert failures
    (knobs,) = (html for html in tables if "<th>parameter</th>" in html)
    assert "sparsity" in knobs
    without = [html for html in tables if "<th>without</th>" in html]
    assert len(without) == 1
