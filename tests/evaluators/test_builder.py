"""The handle on the build worker as several threads use it, with a real worker."""

from __future__ import annotations

import threading

import pytest

from evaluators.builder import Builder, WorkloadSource
from evaluators.child_process import Limits
from evaluators.failures import CandidateAborted

WORKLOAD = """\
import numpy as np
import torch

from spaces.workload import Workload


class Small(Workload):
    def model(self):
        return torch.nn.Linear(4, 2)

    def example_inputs(self):
        return {"input": np.zeros((1, 4), np.float32)}

    def _batches(self):
        return [({"input": np.zeros((4, 4), np.float32)}, np.zeros(4, np.int64))]

    train_batches = calibration_batches = validation_batches = test_batches = _batches

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets
"""


@pytest.fixture
def builder(tmp_path):
    (tmp_path / "small.py").write_text(WORKLOAD)
    source = WorkloadSource("small.py:Small", tmp_path, tmp_path / "cache")
    made = Builder(source, Limits(120.0, 3 * 2**30))
    yield made
    made.close()


def test_threads_take_turns(builder):
    found, all_done = [], threading.Barrier(3, timeout=120)

    def describe():
        found.append(builder.run("describe").body["metric"])
        all_done.wait()  # the worker ends with the thread that has started it

    threads = [threading.Thread(target=describe) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == ["accuracy"] * 3


def test_once_it_is_closed_nothing_is_built(builder):
    builder.close()
    with pytest.raises(CandidateAborted, match="the run ended before"):
        builder.run("describe")
