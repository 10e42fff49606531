from __future__ import annotations

import json
import os
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from evaluators.engines import onnxruntime as engine_module
from evaluators.engines.nvidia.cuda import Gpu
from evaluators.engines.onnxruntime import ENGINE, OnnxRuntime
from evaluators.failures import CandidateAborted, CandidateRejected
from evaluators.quantize import onnx_int8
from tests.evaluators.engines.contract import EngineContract, tiny_images
from tests.evaluators.engines.unknown_op import unknown_op_model

FLAGS = {
    "threads": 2,
    "graph_optimization": "all",
    "execution_mode": "sequential",
    "spinning": True,
    "provider": "cpu",
}


class OnnxRuntimeContract(EngineContract):
    engine = ENGINE

    @pytest.fixture
    def refused(self, tmp_path_factory):
        return unknown_op_model(tmp_path_factory.mktemp("refused"))


class TestFloat(OnnxRuntimeContract):
    tolerance = 1e-5

    @pytest.fixture
    def portable(self, tiny_onnx):
        return tiny_onnx


class TestInt8(OnnxRuntimeContract):
    precision = "int8"
    tolerance = 0.05

    @pytest.fixture
    def portable(self, tiny_onnx, tmp_path_factory):
        folder = tmp_path_factory.mktemp("int8")
        settings = {name: flag.default for name, flag in onnx_int8.SETTINGS.items()}
        calibration = [[tiny_images(1, seed)] for seed in range(8)]
        onnx_int8.quantize(tiny_onnx, calibration, settings, folder)
        return folder


def open_options(folder, out_dir, **changed):
    """Return the session options in force, as ONNX Runtime reports them."""
    flags = {**FLAGS, **changed}
    compiled = ENGINE.compile(folder, "fp32", flags, out_dir)
    with ENGINE.open(out_dir, compiled.artifact, "fp32", flags) as session:
        return session._session.get_session_options()


def test_agrees_with_pytorch_on_every_kind_of_input(small_model, tmp_path):
    compiled = ENGINE.compile(small_model.folder, "fp32", FLAGS, tmp_path)
    with ENGINE.open(tmp_path, compiled.artifact, "fp32", FLAGS) as session:
        for index in range(2):
            raw = session.infer(session.prepare(small_model.inputs(index)))
            (ours,) = session.decode(raw)
            np.testing.assert_allclose(ours, small_model.expected(index), rtol=1e-4, atol=1e-5)


def test_decode_keeps_integers_and_widens_float16(conv_model, tmp_path):
    compiled = ENGINE.compile(conv_model.folder, "fp32", FLAGS, tmp_path)
    with ENGINE.open(tmp_path, compiled.artifact, "fp32", FLAGS) as session:
        found = session.decode([np.ones(2, np.int64), np.ones(2, np.float16), np.ones(2, bool)])
    assert [array.dtype for array in found] == [np.int64, np.float32, np.bool_]


def test_flags_are_in_force(conv_model, tmp_path):
    options = open_options(conv_model.folder, tmp_path, threads=1, spinning=False)
    assert options.intra_op_num_threads == options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL


def test_parallel_execution_is_in_force_and_its_second_pool_does_not_spin(conv_model, tmp_path):
    options = open_options(conv_model.folder, tmp_path, execution_mode="parallel")
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"
    assert options.get_session_config_entry("session.inter_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    ("level", "has_fused"), [("disabled", False), ("basic", False), ("extended", True)]
)
def test_graph_is_optimized_when_compiled(level, has_fused, conv_model, tmp_path):
    flags = {**FLAGS, "graph_optimization": level}
    ENGINE.compile(conv_model.folder, "fp32", flags, tmp_path)
    ops = {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert ("FusedConv" in ops) == has_fused


def test_artifact_is_one_file_loaded_without_optimizing_again(conv_model, tmp_path):
    options = open_options(conv_model.folder, tmp_path)
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert options.graph_optimization_level == level
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_parallel_on_one_thread_is_refused():
    flags = {**FLAGS, "execution_mode": "parallel", "threads": 1}
    assert "needs at least 2 threads" in str(ENGINE.refusal("fp32", flags))
    assert ENGINE.refusal("fp32", {**flags, "threads": 2}) is None


def test_default_is_every_cpu():
    assert ENGINE.thread_count({"threads": ENGINE.flags(6)["threads"].default}) == 6


def test_an_op_it_lacks_is_named(tmp_path, capfd):
    (tmp_path / "out").mkdir()
    with pytest.raises(CandidateRejected, match=r"can't load the model: FAIL: .*my\.own:Fold"):
        ENGINE.compile(unknown_op_model(tmp_path), "fp32", FLAGS, tmp_path / "out")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_artifact_is_rejected(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(CandidateRejected, match=r"INVALID_PROTOBUF: Protobuf parsing failed"):
        ENGINE.open(tmp_path, "model.onnx", "fp32", FLAGS)
    with pytest.raises(CandidateRejected, match="NO_SUCHFILE"):
        ENGINE.open(tmp_path, "none.onnx", "fp32", FLAGS)


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Return a function that puts another build's file of facts in the place of this one's."""
    package = tmp_path / "onnxruntime"
    (package / "capi").mkdir(parents=True)
    spec = SimpleNamespace(origin=str(package / "__init__.py"))

    def put(text):
        (package / "capi/build_and_package_info.py").write_text(text)

    monkeypatch.setattr(engine_module.importlib.util, "find_spec", lambda _name: spec)
    return put


def test_the_distribution_is_the_build_that_the_module_comes_from(build):
    assert ENGINE.installed_distribution() == "onnxruntime"
    build("cuda_version = '12.8'\n")
    assert ENGINE.installed_distribution() == "onnxruntime"
    build("package_name = 'onnxruntime-gpu'\n__version__ = '1.31.1'\ncuda_version = '12.8'\n")
    assert ENGINE.installed_distribution() == "onnxruntime-gpu"
    said = ENGINE.load_runtime()
    assert said == f"onnxruntime-gpu {onnxruntime.__version__}"
    assert ENGINE.distribution_of(said) == "onnxruntime-gpu"
    assert ENGINE.version() is None


def test_the_plain_distribution_goes_without_saying():
    assert ENGINE.installed_distribution() == "onnxruntime"
    assert ENGINE.load_runtime() == ENGINE.version() == onnxruntime.__version__
    assert ENGINE.distribution_of(ENGINE.load_runtime()) == "onnxruntime"


def test_the_gpu_of_a_device_elsewhere_is_in_the_key_of_what_runs_there(monkeypatch):
    gpu = Gpu("Orin", (8, 7), 8 * 2**30, True, "R36 CUDA 12.6")
    monkeypatch.setattr(engine_module, "find_gpu", lambda: gpu)
    host, sent = OnnxRuntime(), json.loads(json.dumps(ENGINE.accelerator()))
    on_gpu, on_cpu = ({"provider": name} for name in ("cuda", "cpu"))
    assert host.toolchain(on_gpu) == ""
    host.meet(sent)
    assert host.toolchain(on_gpu) == str(gpu)
    assert host.toolchain(on_cpu) == ""
    monkeypatch.setattr(engine_module, "find_gpu", lambda: None)
    assert ENGINE.accelerator() is None


class Offloading:
    """ONNX Runtime with providers more than this build has, which run on the CPU all the same.

    ``takes`` are the ops that it claims; ``starts`` is False where its library can't be loaded.
    """

    def __init__(self, takes=(), *, starts=True):
        self.takes, self.starts, self.made = takes, starts, []
        self.on_start = lambda: None
        self._session = onnxruntime.InferenceSession

    def available(self):
        return ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]

    def session(self, path, options, providers, provider_options):
        self.on_start()
        self.made.append(dict(zip(providers, provider_options, strict=True)))
        real = self._session(path, options, providers=["CPUExecutionProvider"])
        real.get_providers = lambda: providers if self.starts else providers[1:]
        graph = real.get_provider_graph_assignment_info
        real.get_provider_graph_assignment_info = lambda: [
            self._seen(part, providers[0]) for part in graph()
        ]
        return real

    def _seen(self, part, provider):
        is_taken = all(node.op_type in self.takes for node in part.get_nodes())
        name = provider if is_taken else part.ep_name
        return SimpleNamespace(ep_name=name, get_nodes=part.get_nodes)


@pytest.fixture
def offloading(monkeypatch):
    def put(*arguments, **keywords):
        stand_in = Offloading(*arguments, **keywords)
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")  # and put back what it was
        monkeypatch.setattr(onnxruntime, "get_available_providers", stand_in.available)
        monkeypatch.setattr(onnxruntime, "InferenceSession", stand_in.session)
        return stand_in

    return put


ON_TENSORRT = {**FLAGS, "provider": "tensorrt"}


@pytest.fixture
def preloads(monkeypatch):
    """Return the calls of ONNX Runtime's loader of CUDA's libraries, which does nothing."""
    calls = []
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: calls.append("cuda"), raising=False)
    return calls


def test_cudas_libraries_are_loaded_before_a_session_on_a_gpu(
    offloading, preloads, conv_model, tmp_path
):
    ENGINE.compile(conv_model.folder, "fp32", FLAGS, tmp_path)
    assert preloads == []
    stand_in = offloading(takes=("Conv", "FusedConv"))
    stand_in.on_start = lambda: preloads.append("session")
    ENGINE.compile(conv_model.folder, "fp32", ON_TENSORRT, tmp_path)
    assert preloads == ["cuda", "session"]


def test_a_gpu_is_started_before_memory_counts_where_a_provider_runs_there(preloads, monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")  # and put back what it was
    cuda = SimpleNamespace(enter=lambda: preloads.append("context"))
    monkeypatch.setattr(engine_module, "Cuda", lambda: cuda)
    monkeypatch.setattr(engine_module, "find_gpu", lambda: None)
    ENGINE.start_accelerator(ON_TENSORRT)
    monkeypatch.setattr(engine_module, "find_gpu", lambda: "a GPU")
    ENGINE.start_accelerator(FLAGS)
    assert preloads == []
    ENGINE.start_accelerator(ON_TENSORRT)
    assert preloads == ["cuda", "context"]


def test_an_old_version_finds_cudas_libraries_itself(offloading, conv_model, tmp_path, monkeypatch):
    monkeypatch.delattr(onnxruntime, "preload_dlls", raising=False)
    offloading(takes=("Conv", "FusedConv"))
    assert ENGINE.compile(conv_model.folder, "fp32", ON_TENSORRT, tmp_path).artifact == "model.onnx"


def test_a_provider_is_only_searched_where_it_is_named():
    provider = ENGINE.flags(4)["provider"]
    assert (provider.default, provider.is_hardware) == ("cpu", True)
    assert all(provider.accepts(name) for name in ("cuda", "qnn", "vitisai", "coreml", "xnnpack"))
    found = {name: ENGINE.processor_of(name) for name in ("cpu", "acl", "cuda", "qnn")}
    assert found == {"cpu": "cpu", "acl": "cpu", "cuda": "gpu", "qnn": "npu"}


def test_a_provider_that_the_build_lacks_is_not_remembered(conv_model, tmp_path):
    match = r"provider: qnn needs a build .* this one has .*CPUExecutionProvider\."
    with pytest.raises(CandidateAborted, match=match):
        ENGINE.compile(conv_model.folder, "fp32", {**FLAGS, "provider": "qnn"}, tmp_path)


@pytest.mark.parametrize(
    ("version", "options"), [("1.18.0", {"use_tf32": "0"}), ("1.17.1", {}), ("1.9.0", {})]
)
def test_fp32_is_no_tf32_on_cuda(offloading, conv_model, tmp_path, monkeypatch, version, options):
    monkeypatch.setattr(onnxruntime, "__version__", version)
    stand_in = offloading(takes=("Conv", "FusedConv"))
    seen = []
    stand_in.on_start = lambda: seen.append(os.environ.get("NVIDIA_TF32_OVERRIDE"))
    ENGINE.compile(conv_model.folder, "fp32", {**FLAGS, "provider": "cuda"}, tmp_path)
    assert stand_in.made == [{"CUDAExecutionProvider": options, "CPUExecutionProvider": {}}]
    assert seen == ["0"]


def test_a_process_keeps_its_tf32_where_an_option_forbids_ours(
    offloading, conv_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(onnxruntime, "__version__", "1.18.0")
    offloading(takes=("Conv", "FusedConv"))
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    ENGINE.compile(conv_model.folder, "fp32", {**FLAGS, "provider": "cuda"}, tmp_path)
    assert "NVIDIA_TF32_OVERRIDE" not in os.environ


def test_a_provider_keeps_what_it_compiled_and_says_what_it_left(offloading, conv_model, tmp_path):
    stand_in = offloading(takes=("Conv", "FusedConv"))
    compiled = ENGINE.compile(conv_model.folder, "fp32", ON_TENSORRT, tmp_path)
    assert [note.endswith("ops run on the CPU.") for note in compiled.notes] == [True]
    with ENGINE.open(tmp_path, compiled.artifact, "fp32", ON_TENSORRT) as session:
        (ours,) = session.decode(session.infer(session.prepare(conv_model.inputs())))
    np.testing.assert_allclose(ours, conv_model.expected(), rtol=1e-4, atol=1e-5)
    cache = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(tmp_path)}
    wanted = {"TensorrtExecutionProvider": cache, "CPUExecutionProvider": {}}
    assert stand_in.made == [wanted, wanted]


def test_a_provider_that_takes_nothing_is_rejected(offloading, conv_model, tmp_path):
    offloading()
    with pytest.raises(CandidateRejected, match=r"leaves all \d+ ops to the CPU\. Choose cpu"):
        ENGINE.compile(conv_model.folder, "fp32", ON_TENSORRT, tmp_path)


def test_a_provider_that_does_not_start_is_not_remembered(offloading, conv_model, tmp_path):
    offloading(starts=False)
    with pytest.raises(CandidateAborted, match="fell back to CPUExecutionProvider"):
        ENGINE.compile(conv_model.folder, "fp32", ON_TENSORRT, tmp_path)
