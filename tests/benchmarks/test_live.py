"""The smallest run that shows that the benchmark works: everything but Olive, seconds each."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks import live
from benchmarks.live_parts import setting

pytestmark = pytest.mark.measures

SEARCH = Path(__file__).parents[1] / "search"


@pytest.fixture
def tiny_space(monkeypatch, tmp_path):
    """Let the methods search the tests' own tiny workload."""
    shutil.copy(SEARCH / "tiny_workload.py", tmp_path)
    text = (SEARCH / "tiny.yaml").read_text().replace("trials: 3", "trials: 4")
    (tmp_path / "tiny.yaml").write_text(text)
    monkeypatch.setattr(setting, "SPACE_FILE", tmp_path / "tiny.yaml")


@pytest.mark.usefixtures("tiny_space")
@pytest.mark.long
def test_every_method_searches_and_is_compared(tmp_path, capsys):
    out = tmp_path / "figures.json"
    live.main(["--seconds", "2", "--out", str(out)])
    found = json.loads(out.read_text())
    assert {"time_to_98_ratio_tpe", "time_to_98_ratio_nsga2", "best_p90_ms_ours"} <= set(found)
    assert not any(isinstance(value, dict | list) for value in found.values())
    assert out.with_suffix(".html").is_file()
    printed = capsys.readouterr().out
    assert "olive: not compared, for want of --olive-python" in printed
    assert all(stage in printed for stage in ("compress", "export", "benchmark"))
