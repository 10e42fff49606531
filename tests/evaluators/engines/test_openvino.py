from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from evaluators.engines.openvino import ENGINE, import_openvino
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.failures import CandidateRejected
from evaluators.quantize import openvino_int8
from tests.evaluators.engines.contract import EngineContract, tiny_images
from tests.evaluators.engines.unknown_op import unknown_op_model

FLAGS = {"threads": 2, "streams": 0, "performance_hint": "latency", "inference_precision": "f32"}


class TwiceTheSame(nn.Module):
    def forward(self, image):
        doubled = image * 2
        return doubled, image / 2, doubled


def cpu_has(capability):
    return capability in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def quantized(tiny_onnx, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    settings = {name: flag.default for name, flag in openvino_int8.SETTINGS.items()}
    calibration = [[tiny_images(1, seed)] for seed in range(8)]
    openvino_int8.quantize(tiny_onnx, calibration, settings, folder)
    return folder


class OpenVinoContract(EngineContract):
    engine = ENGINE

    @pytest.fixture
    def refused(self, tmp_path_factory):
        return unknown_op_model(tmp_path_factory.mktemp("refused"))

    @pytest.fixture
    def portable(self, tiny_onnx):
        return tiny_onnx


class TestFloat(OpenVinoContract):
    tolerance = 1e-5


@pytest.mark.skipif(not cpu_has("BF16"), reason="this CPU has no bfloat16")
class TestBfloat16(OpenVinoContract):
    precision = "bf16"
    tolerance = 0.02


class TestInt8(OpenVinoContract):
    precision = "int8"
    tolerance = 0.05

    @pytest.fixture
    def refused(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("refused")
        (folder / "model.xml").write_text("not a model")
        return folder

    @pytest.fixture
    def portable(self, quantized):
        return quantized


def properties(folder, out_dir, *names, precision="fp32", **changed):
    """Return properties of the model that runs, which was imported and not compiled."""
    flags = {**FLAGS, **changed}
    compiled = ENGINE.compile(folder, precision, flags, out_dir)
    with ENGINE.open(out_dir, compiled.artifact, precision, flags) as session:
        return [session._compiled.get_property(name) for name in names]


def test_agrees_with_pytorch_on_every_kind_of_input(small_model, tmp_path):
    compiled = ENGINE.compile(small_model.folder, "fp32", FLAGS, tmp_path)
    with ENGINE.open(tmp_path, compiled.artifact, "fp32", FLAGS) as session:
        for index in range(2):
            raw = session.infer(session.prepare(small_model.inputs(index)))
            (ours,) = session.decode(raw)
            np.testing.assert_allclose(ours, small_model.expected(index), rtol=1e-4, atol=1e-5)


def test_outputs_come_in_the_models_order_and_one_may_come_twice(tmp_path):
    export_onnx(TwiceTheSame(), {"image": tiny_images(1)}, tmp_path)
    out_dir = tmp_path / "compiled"
    out_dir.mkdir()
    compiled = ENGINE.compile(tmp_path, "fp32", FLAGS, out_dir)
    with ENGINE.open(out_dir, compiled.artifact, "fp32", FLAGS) as session:
        doubled, halved, again = session.infer(session.prepare([tiny_images(1)]))
    np.testing.assert_array_equal(doubled, tiny_images(1) * 2)
    np.testing.assert_array_equal(halved, tiny_images(1) / 2)
    np.testing.assert_array_equal(again, doubled)


@pytest.mark.parametrize(("hint", "streams"), [("latency", 1), ("throughput", 1)])
def test_performance_hint_is_in_force(hint, streams, conv_model, tmp_path):
    names = ("PERFORMANCE_HINT", "NUM_STREAMS", "INFERENCE_NUM_THREADS")
    found = properties(conv_model.folder, tmp_path, *names, threads=1, performance_hint=hint)
    assert [str(value) for value in found] == [hint.upper(), str(streams), "1"]


def test_precision_is_in_force(conv_model, tmp_path):
    (found,) = properties(conv_model.folder, tmp_path, "INFERENCE_PRECISION_HINT")
    assert found.get_type_name() == "f32"


@pytest.mark.parametrize(
    ("precision", "capability", "instead"),
    [("fp16", "FP16", "compute in f16"), ("bf16", "BF16", "compute in bf16")],
)
def test_a_type_this_cpu_lacks_is_never_replaced(
    precision, capability, instead, conv_model, tmp_path
):
    if cpu_has(capability):
        names = ("INFERENCE_PRECISION_HINT",)
        (found,) = properties(conv_model.folder, tmp_path, *names, precision=precision)
        assert instead.endswith(found.get_type_name())
    else:
        with pytest.raises(
            CandidateRejected, match=f"{instead}, but would silently take .* offers"
        ):
            ENGINE.compile(conv_model.folder, precision, FLAGS, tmp_path)


def test_int8_leaves_the_rest_in_the_type_asked_for(quantized, tmp_path):
    wanted = "bf16" if cpu_has("BF16") else "f32"
    names, flags = ("INFERENCE_PRECISION_HINT",), {"inference_precision": wanted}
    (found,) = properties(quantized, tmp_path, *names, precision="int8", **flags)
    assert found.get_type_name() == wanted


def test_more_streams_than_threads_are_refused():
    assert "at most openvino.threads, but 3 > 2" in str(
        ENGINE.refusal("fp32", {**FLAGS, "streams": 3})
    )
    assert ENGINE.refusal("fp32", {**FLAGS, "streams": 2}) is None


def test_more_streams_than_cpus_are_rejected(conv_model, tmp_path):
    flags = {**FLAGS, "streams": 4096, "threads": 4096}
    with pytest.raises(CandidateRejected, match=r"streams is 4096, but OpenVINO makes \d+"):
        ENGINE.compile(conv_model.folder, "fp32", flags, tmp_path)


def test_fewer_threads_than_allowed_are_noted(conv_model, tmp_path):
    compiled = ENGINE.compile(conv_model.folder, "fp32", {**FLAGS, "threads": 4096}, tmp_path)
    assert [note.endswith("of 4096 threads on this CPU.") for note in compiled.notes] == [True]


def test_throughput_overlaps_batches_and_leaves_infer_as_it_was(small_model, tmp_path):
    flags = {**FLAGS, "performance_hint": "throughput"}
    compiled = ENGINE.compile(small_model.folder, "fp32", flags, tmp_path)
    with ENGINE.open(tmp_path, compiled.artifact, "fp32", flags) as session:
        batches = [session.prepare(small_model.inputs(index)) for index in range(8)]
        session.infer_all(batches)
        session.infer_all(batches)
        requests = session._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        assert len(session._queue) == requests
        found = {request.output_tensors[0].data.tobytes() for request in session._queue}
        single = [session.infer(batch)[0] for batch in batches]
    assert found <= {array.tobytes() for array in single}
    np.testing.assert_allclose(single[0], small_model.expected(0), rtol=1e-4, atol=1e-5)


def test_decode_keeps_integers_and_widens_float16(conv_model, tmp_path):
    compiled = ENGINE.compile(conv_model.folder, "fp32", FLAGS, tmp_path)
    with ENGINE.open(tmp_path, compiled.artifact, "fp32", FLAGS) as session:
        found = session.decode([np.ones(2, np.int64), np.ones(2, np.float16)])
    assert [array.dtype for array in found] == [np.int64, np.float32]


def test_an_op_it_lacks_is_named(tmp_path, capfd):
    (tmp_path / "out").mkdir()
    with pytest.raises(CandidateRejected, match=r"compile the model: .*operations: my\.own\.Fold"):
        ENGINE.compile(unknown_op_model(tmp_path), "fp32", FLAGS, tmp_path / "out")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_blob_is_rejected(tmp_path):
    (tmp_path / "model.blob").write_bytes(b"not a blob")
    with pytest.raises(CandidateRejected, match=r"load the blob: .*Cannot import compiled blob"):
        ENGINE.open(tmp_path, "model.blob", "fp32", FLAGS)
