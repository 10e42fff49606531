"""The build worker as its parent meets it."""

import time

import numpy as np
import psutil
import pytest

from evaluators.builder import Builder, WorkloadSource
from evaluators.child_process import Limits

torch = pytest.importorskip("torch")

LIMITS = Limits(120.0, 3 * 2**30)

WORKLOAD = """
from pathlib import Path

import numpy as np
import torch

from spaces.workload import Workload


class Loaded(Workload):
    def model(self):
        module = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2))
        module.load_state_dict(torch.load(Path(__file__).with_name("weights.pt")))
        return module.eval()

    def example_inputs(self):
        return {"x": np.zeros((1, 4), np.float32)}

    def train_batches(self):
        return [({"x": np.ones((4, 4), np.float32)}, np.array([0, 1, 0, 1]))]

    calibration_batches = validation_batches = test_batches = train_batches

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets
"""


@pytest.fixture
def fingerprint(tmp_path):
    """Return a function that asks a fresh worker for the workload's fingerprint."""
    (tmp_path / "loaded.py").write_text(WORKLOAD)
    source = WorkloadSource("loaded.py:Loaded", tmp_path, tmp_path / "cache")

    def ask():
        builder = Builder(source, LIMITS)
        try:
            return builder.run("describe").body["fingerprint"]
        finally:
            builder.close()

    return ask


def test_weights_that_a_workload_loads_are_in_its_fingerprint(fingerprint, tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2))
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    before = fingerprint()
    assert fingerprint() == before
    with torch.no_grad():
        module[0].weight[1, 3] += 0.125
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    assert fingerprint() != before


ONLY_ONNX = {"onnx": "model.onnx", "data": "data.npz"}


def test_a_model_that_exists_only_as_onnx_is_counted_when_it_is_exported(tmp_path):
    from evaluators.export.onnx_from_torch import export_onnx

    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    export_onnx(model, {"x": np.zeros((1, 4), np.float32)}, tmp_path)
    samples = np.random.default_rng(0).standard_normal((20, 4), np.float32)
    np.savez(tmp_path / "data.npz", x=samples, targets=np.arange(20) % 2)
    builder = Builder(WorkloadSource(ONLY_ONNX, tmp_path, tmp_path / "cache"), LIMITS)
    (tmp_path / "out").mkdir()
    try:
        told = builder.run("export", form="onnx", batch_size=1, out_dir=str(tmp_path / "out"))
    finally:
        builder.close()
    assert told.body == {"macs": 4 * 3 + 3 * 2}


def test_a_builder_beside_another_shares_its_worker_and_has_a_workload_of_its_own(tmp_path):
    (tmp_path / "loaded.py").write_text(WORKLOAD)
    module = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2))
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    source = WorkloadSource("loaded.py:Loaded", tmp_path, tmp_path / "cache")
    builder = Builder(source, LIMITS)
    other = builder.beside("evaluators.peak_net:Convolutions")
    before = set(psutil.Process().children())
    try:
        assert list(other.run("describe").body["inputs"]) == ["image"]
        (worker,) = set(psutil.Process().children()) - before
        assert list(builder.run("describe").body["inputs"]) == ["x"]
        assert set(psutil.Process().children()) - before == {worker}
        worker.kill()
        while worker.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert list(other.run("describe").body["inputs"]) == ["image"], "a new one takes over"
    finally:
        builder.close()
    assert set(psutil.Process().children()) == before
