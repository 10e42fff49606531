"""Whole runs whose disk fills up in the middle: one clear line, nothing lost, and on they go."""

import pytest

from tests.search.runs import study_of, wait_for_line

GOES_ON = "very finished trial is kept, and the same command goes on."


@pytest.fixture
def fill_up(start, run_cli, small_disk, fill_disk):
    """Fill the disk after a run's first trial, expect its end, make room, and run it again."""

    def fill_up(space, run_dir, *signs, env=None):
        arguments = ("--space", space, "--run", run_dir)
        process = start(*arguments, "--trials", 500, env=env)
        wait_for_line(process, "trial 0")
        ballast = fill_disk(small_disk)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 2, output
        assert "Traceback" not in output
        assert output.splitlines()[-1].startswith("error: ")
        assert all(sign in output.splitlines()[-1] for sign in (*signs, GOES_ON))
        ballast.unlink()
        kept = _complete(run_dir)
        again = run_cli("run", *arguments, "--trials", len(kept) + 1, env=env)
        assert again.returncode == 0, again.stdout + again.stderr
        assert kept
        assert _complete(run_dir)[: len(kept)] == kept
        assert len(_complete(run_dir)) == len(kept) + 1

    return fill_up


def _complete(run_dir):
    trials = study_of(run_dir).trials
    assert "PRUNED" not in {trial.state.name for trial in trials}
    return [trial for trial in trials if trial.state.name == "COMPLETE"]


def test_the_disk_of_the_run_fills_up(fill_up, tiny_space, small_disk):
    run_dir = small_disk / "r"
    fill_up(tiny_space(), run_dir, f"{run_dir} can't be written: database or disk is full.")


def test_the_disk_of_the_cache_fills_up(fill_up, tiny_space, small_disk, tmp_path):
    cache = {"EDGE_INFERENCE_SEARCH_CACHE": str(small_disk)}
    sign = f"{small_disk}/store can't be written: no space left on device. Free space there, or"
    fill_up(tiny_space(), tmp_path / "r", sign, env=cache)
