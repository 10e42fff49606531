"""Whole runs over one store: what is found again, what isn't, and what stays under pressure."""

import shutil
from pathlib import Path

import pytest

from search.front import pareto_front
from search.run_directory import RunDirectory

BUILDING = ("compress", "export", "quantize", "compile")


@pytest.fixture
def found_by(run_cli, tiny_space, tmp_path):
    """Return a function that runs the tiny space, and says what baseline and trials built."""
    cache = {"EDGE_INFERENCE_SEARCH_CACHE": str(tmp_path / "cache")}

    def search(run_dir, space, *options):
        done = run_cli("run", "--space", space, "--run", run_dir, *options, env=cache)
        assert done.returncode == 0, done.stdout + done.stderr
        run = RunDirectory(tmp_path / run_dir).load()
        others = [trial.record for trial in run.trials[1:]]  # the first one is the baseline
        return [_built(record) for record in (run.baseline, *others)]

    return search


def _built(record):
    done = [stage for stage in record.stage_seconds if stage in BUILDING]
    return [stage for stage in done if stage not in record.found_stages]


def test_a_comment_costs_nothing_and_a_change_of_the_workload_trains_anew(
    found_by, tiny_space, tiny_workload_file
):
    space = tiny_space()
    assert any(found_by("first", space))
    space.write_text(f"# a comment\n{space.read_text()}\n# and another\n")
    assert found_by("again", space) == [[], [], []]
    source = tiny_workload_file.read_text()
    tiny_workload_file.write_text(source.replace("split(120, seed=2)", "split(120, seed=9)"))
    assert found_by("other data", space)[0][:2] == ["compress", "export"]


def test_the_front_outlives_pressure_and_goes_with_its_run(found_by, tiny_space, run_cli, tmp_path):
    cache = {"EDGE_INFERENCE_SEARCH_CACHE": str(tmp_path / "cache")}
    found_by("r", tiny_space())
    run = RunDirectory(tmp_path / "r").load()
    artifacts = {trial.record.artifact for trial in run.trials}
    front = {trial.record.artifact for trial in pareto_front(run)}
    run_cli("store", "--prune", "1KiB", env=cache)
    kept = {artifact for artifact in artifacts if Path(artifact).exists()}
    assert front <= kept <= front | {run.baseline.artifact}
    shutil.rmtree(tmp_path / "r")
    run_cli("store", "--prune", "1KiB", env=cache)
    assert not any(Path(artifact).exists() for artifact in artifacts)
