"""The measuring process as the parent meets it: a real engine in a real child."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators.benchmark.cpus import usable_cpus
from evaluators.benchmark.session_measurement import VARIED_INPUTS, check_agreement
from evaluators.child_process import ChildProcess, Limits
from evaluators.devices.local import LocalDevice
from evaluators.engines.engine import Session
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.failures import CandidateRejected
from tests.evaluators import numpy_engine
from tests.evaluators.engines.contract import tiny_images, tiny_net

pytestmark = pytest.mark.measures

ROOT = Path(__file__).parents[3]
LIMITS = Limits(120.0, 4 * 2**30)
FLAGS = {
    "threads": 1,
    "graph_optimization": "all",
    "execution_mode": "sequential",
    "spinning": False,
}
ENGINE = {"engine": "onnxruntime", "precision": "fp32", "flags": FLAGS}


@pytest.fixture(scope="module")
def device():
    return LocalDevice("here", LIMITS)


@pytest.fixture(scope="module")
def job(device, tmp_path_factory):
    """Return a benchmark job over two splits, of a model compiled by a worker."""
    folder = tmp_path_factory.mktemp("worker")
    portable, compiled = folder / "portable", folder / "compiled"
    portable.mkdir()
    compiled.mkdir()
    export_onnx(tiny_net(), {"image": tiny_images(1)}, portable)
    job = {"kind": "compile", **ENGINE, "model": str(portable), "out_dir": str(compiled)}
    artifact = device.run(job).body["artifact"]
    splits = {}
    for split, count in (("validation", 30), ("test", 20)):
        np.save(folder / f"{split}.npy", tiny_images(count))
        splits[split] = [str(folder / f"{split}.npy")]
    return {
        "kind": "benchmark",
        **ENGINE,
        "compiled": str(compiled),
        "artifact": artifact,
        "inputs": splits,
        "answer_splits": ["validation", "test"],
        "batch_size": 1,
        "timing": {"min_queries": 64, "min_duration_s": 0.1, "offline_s": 0.05},
        "meter": None,
        "meter_program": [],
    }


@pytest.fixture(scope="module")
def answer(device, job):
    return device.run(job)


def test_every_split_is_answered_as_the_model_would(answer):
    timed_s, warmup_s, validation, test = answer.arrays
    assert answer.body["outputs_per_split"] == 1
    for outputs, count in ((validation, 30), (test, 20)):
        with torch.inference_mode():
            expected = tiny_net()(torch.from_numpy(tiny_images(count))).numpy()
        assert outputs == pytest.approx(expected, abs=1e-4)
    assert len(timed_s) >= 64
    assert timed_s.sum() >= 0.09
    assert (warmup_s > 0).all()


def test_the_meter_and_the_watch_cover_the_timed_loop_alone(answer):
    timed_s, warmup_s, *_ = answer.arrays
    energy, disturbance = answer.body["energy"], answer.body["disturbance"]
    assert timed_s.sum() <= energy["seconds"] <= disturbance["watched_s"]
    assert energy["seconds"] < timed_s.sum() + warmup_s.sum()
    assert 0 < energy["cpu_time_s"] <= energy["seconds"] * len(usable_cpus())
    assert energy["reading"] is None
    assert answer.body["idle_power_w"] is None


def test_the_process_is_pinned_to_as_many_cpus_as_it_has_threads(answer):
    assert len(answer.body["cpus"]) == 1
    assert set(answer.body["cpus"]) <= set(usable_cpus())
    assert answer.body["environment"]["cpu_count"] == len(usable_cpus())


def test_memory_is_counted_from_the_import_of_the_engine(answer):
    body = answer.body
    assert 0 < body["peak_memory_bytes"] < body["baseline_bytes"]
    assert body["runtime_version"].count(".") == 2


@pytest.mark.parametrize("kind", ["benchmark", "memory"])
def test_the_high_water_mark_and_private_memory_are_those_of_the_weights(job, tmp_path, kind):
    """A runtime's library is private memory only while no other process has it mapped, so the plain
    engine has none. What its accelerator takes was there before the model."""
    numpy_engine.write_weights(tmp_path, 64 * 2**20)
    np.save(tmp_path / "inputs.npy", np.ones((2, numpy_engine.WIDTH), np.float32))
    plain = {
        "kind": kind,
        "engine": numpy_engine.ENGINE.name,
        "flags": {"threads": 1, "accelerator_mib": 32},
        "compiled": str(tmp_path),
        "artifact": numpy_engine.WEIGHTS_FILE,
        "inputs": {"validation": [str(tmp_path / "inputs.npy")]},
        "answer_splits": [],
    }
    with ChildProcess(numpy_engine.__name__, LIMITS, {"PYTHONPATH": str(ROOT)}) as worker:
        found = worker.request({**job, **plain}).body
    assert found["peak_memory_bytes"] == pytest.approx(64 * 2**20, rel=0.05)


def test_without_splits_there_are_samples_and_no_answers(device, job):
    found = device.run({**job, "answer_splits": []})
    assert len(found.arrays) == 2
    assert found.body["outputs_per_split"] == 0


def test_answers_that_would_take_too_long_are_left_out(device, job, answer):
    found = device.run({**job, "answers_within_s": 0.0})
    assert len(found.arrays) == 2
    assert found.body["outputs_per_split"] == 0
    assert len(device.run({**job, "answers_within_s": 60.0}).arrays) == len(answer.arrays)


def test_some_samples_are_answered_as_in_the_whole_split(device, job, answer):
    samples = [3, 7, 29]
    inputs = {"validation": job["inputs"]["validation"]}
    found = device.run({**job, "kind": "answer", "inputs": inputs, "samples": samples})
    assert found.arrays[0] == pytest.approx(answer.arrays[2][samples], abs=1e-6)


def test_a_program_that_prints_watts_is_read_over_the_loop(device, job):
    prints = "import time\nwhile True:\n print(2.5, flush=True)\n time.sleep(0.05)"
    program = [sys.executable, "-c", prints]
    found = device.run({**job, "meter": "command", "meter_program": program})
    reading = found.body["energy"]["reading"]
    assert reading["energy_j"] / reading["seconds"] == pytest.approx(2.5)
    assert found.body["idle_power_w"] == pytest.approx(2.5)
    assert reading["seconds"] >= found.body["energy"]["seconds"] * 0.9


def test_a_whole_split_is_answered_without_being_timed(device, job, answer):
    inputs = {"test": job["inputs"]["test"]}
    found = device.run({**job, "kind": "answer", "inputs": inputs, "samples": None})
    (outputs,) = found.arrays
    np.testing.assert_array_equal(outputs, answer.arrays[3])
    assert set(found.body) == {"environment", "runtime_version"}


class Apart(Session):
    """A session whose answers are, or aren't, those of the CPU."""

    def __init__(self, reason):
        self.reason, self.batches = reason, []

    def prepare(self, inputs):
        return inputs

    def infer(self, prepared):
        return prepared

    def decode(self, raw):
        return raw

    def close(self):
        pass

    def disagreement(self, batches):
        self.batches = batches
        return self.reason


@pytest.mark.parametrize(("samples", "batches"), [(100, VARIED_INPUTS), (5, 2), (1, 1)])
def test_real_inputs_are_compared_with_the_cpu(samples, batches):
    agreeing = Apart(None)
    check_agreement(agreeing, [tiny_images(samples)], batch_size=2)
    assert [batch[0].shape for batch in agreeing.batches] == [(2, 3, 16, 16)] * batches
    with pytest.raises(CandidateRejected, match="off by a lot"):
        check_agreement(Apart("off by a lot"), [tiny_images(samples)], batch_size=2)


def test_a_power_mode_is_asked_of_the_machine_that_measures(device):
    with pytest.raises(CandidateRejected, match="nvpmodel isn't here"):
        device.run({"kind": "mode_now", "mode": "nvpmodel:15W"})
