from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.overhead_parts.stand_in import StandInBench, StandInPipeline
from evaluators.candidate import Candidate
from search.evaluation import Evaluator
from tests.search.runs import study_of

pytestmark = pytest.mark.measures

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def real_record(tmp_path):
    """Return the record of a trial of a real run, with its engine and its measuring process."""
    for name in ("tiny.yaml", "tiny_workload.py"):
        shutil.copy(REPOSITORY / "tests" / "search" / name, tmp_path)
    paths = {"PYTHONPATH": str(REPOSITORY), "EDGE_INFERENCE_SEARCH_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "search", "run", "--space", "tiny.yaml", "--run", "r"]
    subprocess.run(
        [*command, "--trials", "2"],
        cwd=tmp_path,
        env={**os.environ, **paths},
        capture_output=True,
        timeout=120,
        check=True,
    )
    return study_of(tmp_path / "r").trials[1].user_attrs["record"]


def test_records_have_what_real_ones_have_and_are_as_large(real_record):
    bench = StandInBench({"onnxruntime": "measured"}, random.Random(0))
    evaluator = Evaluator(StandInPipeline(), bench, (), lambda _: None)
    flags = {"threads": 1, "graph_optimization": "all", "spinning": False}
    candidate = Candidate("onnxruntime", "int8", quantization={"per_channel": True}, flags=flags)
    made = evaluator.evaluate(candidate, "trial 1").to_json()
    assert set(made["quantities"]) == set(real_record["quantities"])
    facts, real_facts = made["facts"], real_record["facts"]
    assert set(facts) == set(real_facts)
    assert set(facts["compress"]) == set(real_facts["compress"])
    (process,), (real_process,) = facts["processes"], real_facts["processes"]
    assert set(process) == set(real_process)
    assert set(process["environment"]) == set(real_process["environment"])
    assert set(process["disturbance"]) == set(real_process["disturbance"])
    assert set(made["stage_seconds"]) == set(real_record["stage_seconds"])
    assert 0.8 < len(json.dumps(made)) / len(json.dumps(real_record)) < 1.5
