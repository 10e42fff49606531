"""The process that a person starts: it asks, waits and tells, and holds little of what it sees."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MIB = 2**20
# As ``python -m search``, except that it says at its end what it took. The kernel's high-water mark
# is read, because what ``wait4`` and ``getrusage`` say also counts children, and who forked it.
TELLING = """
import json, sys
from pathlib import Path
from search.cli import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM:"))
    said = {"peak_bytes": int(peak.split()[1]) * 1024, "modules": sorted(sys.modules)}
    Path("parent.json").write_text(json.dumps(said))
"""
IN_CHILDREN_ONLY = {"torch", "onnx", "onnxruntime", "openvino", "nncf", "tiny_workload"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no high-water mark here")
def test_a_run_keeps_its_parent_small_and_free_of_torch_and_engines(
    tiny_space, search_cache, tmp_path
):
    done = subprocess.run(
        [sys.executable, "-c", TELLING, "run", "--space", tiny_space(), "--run", "r"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "parent.json").read_text())
    assert not IN_CHILDREN_ONLY.intersection(said["modules"])
    assert "optuna" in said["modules"]
    assert said["peak_bytes"] < 300 * MIB
