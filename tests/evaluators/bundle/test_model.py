"""The model of a bundle on a real engine: one matrix product on ONNX Runtime."""

import numpy as np
import pytest

from evaluators.bundle.command import main
from evaluators.bundle.folder import read_bundle
from evaluators.bundle.model import EngineMissing, Model, find_engine
from evaluators.engines import load_engine
from evaluators.engines.engine import Missing

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FLAGS = {
    "threads": 1,
    "graph_optimization": "all",
    "execution_mode": "sequential",
    "spinning": False,
}
WEIGHTS = np.arange(4, dtype=np.float32)[:, None]


@pytest.fixture
def folder(write, tmp_path, resign):
    """Return a bundle of ``signal @ WEIGHTS`` in batches of two."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["signal", "weights"], ["output"])],
        "net",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [2, 1])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    folder = write(model, flags=FLAGS)
    inputs = np.eye(4, dtype=np.float32)
    np.savez(folder / "check.npz", input_0=inputs, output_0=inputs @ WEIGHTS)
    resign(folder)
    return folder


def test_samples_are_answered_in_the_batches_it_was_compiled_for(folder):
    signals = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    with Model(folder) as model:
        (answers,) = model.run({"signal": signals})
    assert answers == pytest.approx(signals @ WEIGHTS, rel=1e-6)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "inputs must have 'signal', but got none"),
        ({"signal": np.zeros((2, 3), np.float32)}, r"signal must be float32 of shape \(n, 4\)"),
        ({"signal": np.zeros((2, 4))}, "but is float64 of shape"),
        ({"signal": np.zeros((0, 4), np.float32)}, r"but is float32 of shape \(0, 4\)"),
        (
            {"signal": np.zeros((2, 4), np.float32), "mask": np.zeros(2)},
            r"inputs must be signal, as many samples of each, but got .*'mask': \(2,\)",
        ),
    ],
)
def test_what_it_does_not_take_is_told(folder, inputs, text):
    with Model(folder) as model, pytest.raises(ValueError, match=text):
        model.run(inputs)


def test_an_engine_that_this_version_lacks_is_missing(write):
    bundle = read_bundle(write(engine="tpu9"))
    with pytest.raises(EngineMissing, match="needs the engine tpu9, which isn't here; there is "):
        find_engine(bundle)


def test_a_runtime_that_is_not_installed_is_missing(bundle, monkeypatch):
    engine = load_engine("onnxruntime")
    monkeypatch.setattr(type(engine), "missing", lambda _: Missing("a package", "pip install it"))
    with pytest.raises(EngineMissing, match=r"needs a package\. Add .* --requirement .*/requirem"):
        find_engine(bundle)


def test_the_command_answers_the_check_inputs_or_a_persons_own(folder, tmp_path, capsys):
    assert main(folder, []) == 0
    assert capsys.readouterr().out == (
        "tiny, trial 3: onnxruntime fp32\noutputs: equal to the bit on 4 samples\n"
    )
    mine, answers = str(tmp_path / "mine.npz"), str(tmp_path / "answers.npz")
    np.savez(mine, signal=np.ones((1, 4), np.float32))
    assert main(folder, ["--inputs", mine, "--outputs", answers]) == 0
    with np.load(answers) as arrays:
        assert arrays["output_0"].tolist() == [[6.0]]


def test_the_command_says_what_is_wrong(folder, tmp_path, capsys):
    assert main(folder, ["--inputs", str(tmp_path / "none.npz")]) == 2
    assert "No such file" in capsys.readouterr().err
    np.savez(tmp_path / "odd.npz", signal=np.ones((1, 4)))
    assert main(folder, ["--inputs", str(tmp_path / "odd.npz")]) == 2
    assert "signal must be float32" in capsys.readouterr().err
    (folder / "run.py").write_text("changed")
    assert main(folder, []) == main(folder, ["--verify"]) == 2
    assert "run.py has changed" in capsys.readouterr().err


def test_a_file_that_the_engine_refuses_is_told(write, capsys):
    assert main(write(flags=FLAGS), []) == 1
    assert "onnxruntime can't load the model" in capsys.readouterr().err
