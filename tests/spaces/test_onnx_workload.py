from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from spaces.onnx_workload import OnnxWorkload
from spaces.workload import WorkloadError


@pytest.fixture
def model_path(tmp_path):
    return write_model(tmp_path / "model.onnx", "batch")


def write_model(path, batch):
    """Write logits = x + y, of shape (batch, 3)."""
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [batch, 3]) for n in ("x", "y")]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "y"], ["logits"])], "g", inputs, [output]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def arrays(count=50):
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(size=(count, 3)).astype(np.float32),
        "y": np.arange(count * 3, dtype=np.float32).reshape(count, 3),
        "targets": np.arange(count) % 3,
    }


def save(folder, **changes):
    kept = {name: a for name, a in (arrays() | changes).items() if a is not None}
    np.savez(folder / "data.npz", **kept)
    return folder / "data.npz"


def rows(batches):
    return [int(row[0]) // 3 for inputs, _ in batches for row in inputs["y"]]


def test_the_splits_are_disjoint_fixed_and_complete(model_path, tmp_path):
    workload = OnnxWorkload(model_path, save(tmp_path))
    splits = [workload.calibration_batches, workload.validation_batches, workload.test_batches]
    found = [rows(split()) for split in splits]
    assert [len(split) for split in found] == [10, 20, 20]
    assert sorted(row for split in found for row in split) == list(range(50))
    again = OnnxWorkload(model_path, tmp_path / "data.npz")
    assert rows(again.validation_batches()) == found[1]
    assert found[1] != sorted(found[1])


def test_inputs_and_targets_stay_together(model_path, tmp_path):
    workload = OnnxWorkload(model_path, save(tmp_path))
    for inputs, targets in workload.test_batches():
        np.testing.assert_array_equal(inputs["y"][:, 0] // 3 % 3, targets)


def test_the_example_is_the_first_sample(model_path, tmp_path):
    workload = OnnxWorkload(model_path, save(tmp_path))
    assert workload.input_names() == ["x", "y"]
    example = workload.example_inputs()
    assert {n: a.shape for n, a in example.items()} == {"x": (1, 3), "y": (1, 3)}


@pytest.mark.parametrize("batch", ["batch", 1, 8])
def test_the_reference_runs_the_model_whatever_its_batch_size(tmp_path, batch):
    path = write_model(tmp_path / "model.onnx", batch)
    data = arrays()
    workload = OnnxWorkload(path, save(tmp_path))
    (logits,) = workload.reference_outputs([data["x"], data["y"]])
    np.testing.assert_allclose(logits, data["x"] + data["y"], rtol=1e-6)


def test_score_is_top_1(model_path, tmp_path):
    workload = OnnxWorkload(model_path, save(tmp_path))
    scores = workload.score([np.eye(3)], np.array([0, 2, 2]))
    assert scores.tolist() == [True, False, True]


def test_outputs_that_are_no_logits_are_refused(model_path, tmp_path):
    workload = OnnxWorkload(model_path, save(tmp_path))
    with pytest.raises(WorkloadError, match=r"must be of shape \(batch, classes\), but is \(3,\)"):
        workload.score([np.zeros(3)], np.zeros(3, int))


@pytest.mark.parametrize("method", ["model", "train_batches"])
def test_nothing_is_trained(model_path, tmp_path, method):
    workload = OnnxWorkload(model_path, save(tmp_path))
    with pytest.raises(WorkloadError, match="sparsity and distillation need a PyTorch model"):
        getattr(workload, method)()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"targets": None}, "must hold an array 'targets', but holds x, y"),
        ({"targets": np.zeros(50)}, "'targets' must be integers"),
        ({"targets": np.zeros((50, 2), int)}, r"'targets' must be integers of shape \(n,\)"),
        ({"targets": np.zeros(49, int)}, "'x' must have a row for each of the 49 targets"),
        ({"targets": np.zeros(3, int)}, "at least 10 samples, but holds 3"),
        ({"x": np.float32(1)}, r"'x' must have a row .* shape \(\)"),
        ({"x": np.array(["a"] * 50)}, "'x' must be numbers"),
        ({"x": np.array([{}] * 50, object)}, "must be an .npz of plain arrays"),
        ({"x": None, "y": None}, "an array for each input"),
    ],
)
def test_malformed_data_is_refused(model_path, tmp_path, changes, fault):
    path = save(tmp_path, **changes)
    with pytest.raises(WorkloadError, match=fault):
        OnnxWorkload(model_path, path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(model_path, tmp_path, keep):
    data = save(tmp_path).read_bytes()
    (tmp_path / "data.npz").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(WorkloadError, match=r"must be an \.npz of plain arrays"):
        OnnxWorkload(model_path, tmp_path / "data.npz")


def test_a_damaged_array_is_refused(model_path, tmp_path):
    np.savez_compressed(tmp_path / "data.npz", **arrays())
    data = bytearray((tmp_path / "data.npz").read_bytes())
    data[100:140] = bytes(40)
    (tmp_path / "data.npz").write_bytes(data)
    with pytest.raises(WorkloadError, match=r"must be an \.npz of plain arrays"):
        OnnxWorkload(model_path, tmp_path / "data.npz")


@pytest.mark.parametrize("content", [b"", b"text"])
def test_a_file_of_another_kind_is_refused(model_path, tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(WorkloadError, match=r"must be an \.npz of plain arrays"):
        OnnxWorkload(model_path, tmp_path / "data.npz")


def test_a_single_array_is_refused(model_path, tmp_path):
    with (tmp_path / "data.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(WorkloadError, match="is a single array"):
        OnnxWorkload(model_path, tmp_path / "data.npz")


@pytest.mark.parametrize("missing", ["model.onnx", "data.npz"])
def test_a_missing_file_is_named(model_path, tmp_path, missing):
    save(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(WorkloadError, match=f"there is no .*{missing}"):
        OnnxWorkload(model_path, tmp_path / "data.npz")


def test_torch_is_not_needed():
    code = "import sys, spaces.onnx_workload; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
