import json

import pytest

from benchmarks import record_table
from benchmarks.replay_parts.grid import PLAIN, grid_space, model_points

pytestmark = pytest.mark.measures


def test_a_table_with_holes_is_not_packed(tmp_path):
    some = list(model_points(grid_space(), PLAIN))[:5]
    rows = [json.dumps({"point": list(point)}) for point in some]
    (tmp_path / f"models-{PLAIN}.jsonl").write_text("\n".join(rows) + "\n")
    arguments = ["pack", "--scratch", str(tmp_path), "--out", str(tmp_path / "table.json.gz")]
    with pytest.raises(SystemExit, match="must hold all 378 points of the grid, but 373 are miss"):
        record_table.main(arguments)
    assert not (tmp_path / "table.json.gz").exists()


def test_recording_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    points = list(model_points(grid_space(), PLAIN))
    recorded = []

    class Recorder:
        def __init__(self, forge):
            pass

        def row(self, point):
            recorded.append(point)
            return {"point": list(point)}

    monkeypatch.setattr(record_table, "ModelRecorder", Recorder)
    monkeypatch.setattr(record_table, "_forge", lambda *_: None)
    kept = [json.dumps({"point": list(point)}) for point in points[:-2]]
    file = tmp_path / f"models-{PLAIN}.jsonl"
    file.write_text("\n".join(kept) + "\n")
    record_table.main(["models", "--scratch", str(tmp_path), "--start", PLAIN])
    assert recorded == [points[-2], *points[-2:]]  # the first one twice: it warms up
    found = [json.loads(line)["point"] for line in file.read_text().splitlines()]
    assert found == [list(point) for point in points]
