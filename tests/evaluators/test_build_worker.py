"""The build worker as its parent meets it."""

import pytest

from evaluators.builder import Builder, WorkloadSource
from evaluators.child_process import Limits

torch = pytest.importorskip("torch")

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
        builder = Builder(source, Limits(120.0, 3 * 2**30))
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
