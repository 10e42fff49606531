"""A trial as it comes from a run, built by hand: its numbers are chosen."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from evaluators.built import Built
from evaluators.candidate import Candidate, Distillation
from evaluators.store_entry import Entry
from reports.bundle.exported import ExportedTrial

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FLAGS = {
    "threads": 1,
    "streams": 0,
    "performance_hint": "latency",
    "inference_precision": "f32",
}
PROCESS = {
    "environment": {
        "machine": "x86_64",
        "system": "Linux-6.1",
        "python": "3.11.7",
        "numpy": "2.4.1",
        "cpu_model": "a CPU",
        "cpu_count": 4,
    },
    "cpus": [3],
    "runtime_version": "2026.4.1-20000-abc",
}


@pytest.fixture
def exported_of(build, tmp_path):
    """Return a function that makes an exported trial; it takes the record's own fields."""

    def make(engine="openvino", precision="int8", *, baseline=True, **fields):
        folder = tmp_path / "compiled"
        folder.mkdir(exist_ok=True)
        (folder / "model.blob").write_bytes(CONTENT)
        entry = Entry(
            "key",
            folder,
            "digest",
            {"artifact": "model.blob", "metrics": {}, "notes": []},
            {"model.blob": SHA256},
            1.0,
            was_found=True,
        )
        candidate = Candidate(engine, precision, 0.5, Distillation(2, 4.0, 0.5), {}, FLAGS)
        params = {"engine": engine, "precision": precision}
        record = build.record(
            0.5,
            2.0,
            0.94,
            sparsity=0.5,
            epochs=2,
            params=params,
            artifact_sha256=SHA256,
            **{"facts": {"processes": [PROCESS]}, **fields},
        )
        run = build.run(record, baseline=build.record(1.0, 4.0, 0.95) if baseline else None)
        images = np.linspace(-1, 1, 2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
        return ExportedTrial(
            run=run,
            trial=run.trials[0],
            built=Built(candidate, entry, {}),
            batch_size=1,
            timing={"min_queries": 64, "min_duration_s": 1.0},
            workload="digits.py:Digits",
            notes={"documentation": "Digits, as they are.", "score": "def score(): ..."},
            inputs={"image": images},
            outputs=[np.array([[0.0, 4.0], [1.0, 2.0]], np.float32)],
            is_repeatable=True,
            runtime_version="2026.4.1-20000-abc",
        )

    return make


@pytest.fixture
def exported(exported_of):
    return exported_of()


@pytest.fixture
def stand_in(exported_of, build):
    """An Edge TPU's trial that was measured on a CPU."""
    found = exported_of("edgetpu", provenance=build.STAND_IN, power_w=2.0)
    facts = replace(found.run.facts, notices=("No Edge TPU here: a stand-in.",))
    return replace(
        found, run=replace(found.run, facts=facts), runtime_version="ai_edge_litert 2.3.0"
    )
