from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from evaluators.export import onnx_from_torch
from evaluators.export.onnx_check import check_onnx, read_onnx_inputs
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.failures import CandidateRejected


def answer(folder, inputs):
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


class Eigenvalues(nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x).real


class DataDependent(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x


class TwoAnswers(nn.Module):
    def forward(self, x, unused):
        return x + 1, torch.argmax(x, 1)


SQUARE = {"x": np.ones((3, 3), np.float32)}


def test_agrees_with_pytorch(small_model):
    for index in range(3):
        (ours,) = answer(small_model.folder, small_model.inputs(index))
        np.testing.assert_allclose(ours, small_model.expected(index), rtol=1e-4, atol=1e-5)


def test_inputs_are_the_examples(small_model):
    found = read_onnx_inputs(small_model.folder / "model.onnx")
    assert [(each.name, each.shape, each.dtype) for each in found] == [
        (name, array.shape, array.dtype) for name, array in small_model.batches[0].items()
    ]


def test_writes_one_valid_file(small_model):
    assert [path.name for path in small_model.folder.iterdir()] == ["model.onnx"]
    check_onnx(small_model.folder / "model.onnx")


def test_bytes_are_the_same_every_time_and_name_no_source_file(conv_model, tmp_path):
    export_onnx(conv_model.module, conv_model.batches[1], tmp_path)
    written = (tmp_path / "model.onnx").read_bytes()
    assert written == (conv_model.folder / "model.onnx").read_bytes()
    assert b".py" not in written


def test_several_outputs_and_an_unused_input(tmp_path):
    example = {"x": np.eye(3, dtype=np.float32), "unused": np.ones((3, 2), np.float32)}
    export_onnx(TwoAnswers(), example, tmp_path)
    first, second = answer(tmp_path, example.values())
    np.testing.assert_array_equal(first, example["x"] + 1)
    np.testing.assert_array_equal(second, [0, 1, 2])


def test_leaves_training_behind(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    export_onnx(model, SQUARE, tmp_path)
    assert not model.training
    assert "Dropout" not in {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}


def test_prints_nothing(tmp_path, capfd):
    export_onnx(nn.ReLU(), SQUARE, tmp_path)
    with pytest.raises(CandidateRejected, match="export to ONNX"):
        export_onnx(DataDependent(), SQUARE, tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Eigenvalues(), r"op aten\.linalg_eig\.default: No ONNX function found"),
        (DataDependent(), "Could not guard on data-dependent expression"),
        (TwoAnswers(), "missing a required argument: 'unused'"),
    ],
)
def test_says_in_one_line_what_cannot_be_exported(model, reason, tmp_path):
    with pytest.raises(CandidateRejected, match=f"^export to ONNX: {reason}") as caught:
        export_onnx(model, SQUARE, tmp_path)
    assert "\n" not in caught.value.reason
    assert list(tmp_path.iterdir()) == []


def test_refuses_what_no_onnx_file_holds(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_from_torch, "LARGEST_ONNX_BYTES", 100)
    with pytest.raises(CandidateRejected, match=r"at most 2 GiB.*higher sparsity"):
        export_onnx(nn.Linear(5, 5), {"x": np.ones((1, 5), np.float32)}, tmp_path)
