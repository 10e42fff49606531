"""A bundle written by hand: its numbers are chosen, so verdicts are known."""

import json

import numpy as np
import pytest

from evaluators.benchmark.environment import cpu_model
from evaluators.bundle.folder import read_bundle, sha256_of, sums_text

INPUTS = np.arange(16, dtype=np.float32).reshape(4, 4)
OUTPUTS = np.array([[0.5], [1.5], [2.5], [3.5]], np.float32)


def number(value, unit="ms", si_name="latency_p50_s", per_si=1e3):
    interval = [0.9 * value, 1.1 * value]
    return {
        "value": value,
        "unit": unit,
        "interval": interval,
        "si_name": si_name,
        "per_si": per_si,
    }


def facts(**changes):
    """Return a bundle.json of two judged numbers: 2 ms and 8 MiB, give or take a tenth."""
    said = {
        "format_version": 1,
        "title": "tiny, trial 3: onnxruntime fp32",
        "engine": "onnxruntime",
        "runtime": {"distribution": "onnxruntime", "version": "1.31.1"},
        "precision": "fp32",
        "flags": {"threads": 1},
        "artifact": "model.onnx",
        "batch_size": 2,
        "timing": {"min_queries": 64, "min_duration_s": 0.1},
        "device": {"machine": cpu_model(), "environment": {"cpu_model": cpu_model()}},
        "disturbances": [],
        "inputs": [{"name": "signal", "shape": [2, 4], "dtype": "float32"}],
        "outputs": [{"name": "output_0", "shape": [2, 1], "dtype": "float32", "tolerance": 0.01}],
        "numbers": {
            "latency_p50_ms": number(2.0),
            "peak_memory_mib": number(8.0, "MiB", "peak_memory_bytes", 2**-20),
            "power_w": number(1.0, "W", "power_w", 1.0),
        },
        "judged": ["latency_p50_ms", "peak_memory_mib"],
    }
    return {**said, **changes}


def sign(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    sums = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    (folder / "SHA256SUMS").write_text(sums_text(sums))


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a bundle of a model, with other values in its bundle.json."""

    def write_bundle(model=b"weights", **changes):
        folder = tmp_path / "bundle"
        (folder / "model").mkdir(parents=True)
        (folder / "model/model.onnx").write_bytes(model)
        np.savez(folder / "check.npz", input_0=INPUTS, output_0=OUTPUTS)
        (folder / "run.py").write_text("pass\n")
        said = facts(artifact_sha256=sha256_of(folder / "model/model.onnx"))
        (folder / "bundle.json").write_text(json.dumps({**said, **changes}, indent=2))
        sign(folder)
        return folder

    return write_bundle


@pytest.fixture
def folder(write):
    return write()


@pytest.fixture
def bundle(folder):
    return read_bundle(folder)


@pytest.fixture
def resign():
    """Return a function that writes the sums of a bundle anew, as whoever changed it might."""
    return sign
