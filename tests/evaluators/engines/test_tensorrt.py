from __future__ import annotations

import json
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from evaluators.compress.sparsity_pattern import impose_pattern
from evaluators.engines import tensorrt as engine_module
from evaluators.engines.nvidia.cuda import Gpu
from evaluators.engines.nvidia.package import load_package
from evaluators.engines.tensorrt import (
    ENGINE,
    TensorRt,
    compile_for,
    hardware_refusal,
    missing_package,
)
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.failures import CandidateRejected
from evaluators.quantize import EXPORTED_FORMS, load_quantizer
from tests.evaluators.engines.contract import EngineContract, tiny_images
from tests.evaluators.engines.unknown_op import unknown_op_model

FLAGS = {name: flag.default for name, flag in ENGINE.flags(4).items()}


def flags_of(precision):
    """Return the flags as a candidate has them: those that matter at its precision."""
    known = ENGINE.flags(4)
    return {name: flag.default for name, flag in known.items() if flag.matters_for(precision)}


HOPPER = Gpu("NVIDIA H200", (9, 0), 140 * 2**30, False, "580.159.04 CUDA 13.0")
AMPERE = Gpu("RTX 3060", (8, 6), 12 * 2**30, False, "580.65 CUDA 13.0")
ADA = AMPERE._replace(name="RTX 4060", capability=(8, 9))
TURING = AMPERE._replace(name="T4", capability=(7, 5))
ORIN = AMPERE._replace(name="Orin", capability=(8, 7), is_integrated=True)
MAXWELL = ORIN._replace(name="NVIDIA Tegra X1", capability=(5, 3))
PASCAL = AMPERE._replace(name="GTX 1080", capability=(6, 1))

needs_rtx = pytest.mark.skipif("rtx" not in ENGINE.module, reason="TensorRT for RTX isn't here")


@pytest.fixture(scope="module")
def form_of(tiny_onnx, tmp_path_factory):
    """Return a function that gives the folder of the tiny net at a precision."""

    @cache
    def folder(precision):
        form = ENGINE.forms[precision]
        if form in EXPORTED_FORMS:
            return tiny_onnx
        out_dir = tmp_path_factory.mktemp(form)
        quantizer = load_quantizer(form)
        settings = {name: flag.default for name, flag in quantizer.SETTINGS.items()}
        quantizer.quantize(tiny_onnx, [[tiny_images(1, s)] for s in range(4)], settings, out_dir)
        return out_dir

    return folder


@needs_rtx
@pytest.mark.parametrize("gpu", [AMPERE, ADA], ids=lambda gpu: gpu.sm)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8"])
def test_builds_for_two_capabilities_without_either(precision, gpu, form_of, tmp_path):
    compiled = compile_for(
        gpu, form_of(precision), precision, ENGINE._complete(flags_of(precision)), tmp_path
    )
    assert (tmp_path / compiled.artifact).stat().st_size > 10_000
    (inputs, outputs) = json.loads((tmp_path / "io.json").read_text()).values()
    assert inputs == ["image"]
    assert len(outputs) == 1


@needs_rtx
@pytest.mark.parametrize(
    ("precision", "float_type"),
    [("fp16", None), ("bf16", None), ("int8", "fp32"), ("int8", "fp16"), ("fp8", "fp16")],
)
@pytest.mark.parametrize("name", ["signal", "encoder"])
def test_the_types_of_every_kind_of_model_fit_together(
    precision, float_type, name, small_models, tmp_path
):
    model, quantizer = small_models(name), load_quantizer(ENGINE.forms[precision])
    settings = {name: flag.default for name, flag in quantizer.SETTINGS.items()}
    if float_type:
        settings["float_type"] = float_type
    quantizer.quantize(model.folder, model.calibration, settings, tmp_path)
    (tmp_path / "out").mkdir()
    compile_for(ADA, tmp_path, precision, FLAGS, tmp_path / "out")
    inputs = json.loads((tmp_path / "out" / "io.json").read_text())["inputs"]
    assert inputs == list(model.batches[0])


@needs_rtx
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_flags_that_do_not_matter_for_a_precision_may_be_left_out(
    precision, form_of, tmp_path, monkeypatch
):
    gpu_here = SimpleNamespace(gpu=lambda: AMPERE)
    monkeypatch.setattr(engine_module, "Cuda", lambda: gpu_here)
    known = ENGINE.flags(4).items()
    flags = {name: flag.default for name, flag in known if flag.matters_for(precision)}
    assert len(flags) < len(known)
    assert ENGINE.refusal(precision, flags) is None
    compiled = ENGINE.compile(form_of(precision), precision, flags, tmp_path)
    assert (tmp_path / compiled.artifact).stat().st_size > 10_000


@needs_rtx
def test_float8_is_built_where_the_gpu_has_it_and_nowhere_else(form_of, tmp_path):
    compile_for(ADA, form_of("fp8"), "fp8", FLAGS, tmp_path)
    with pytest.raises(CandidateRejected, match=r"for SM86: .*sm86, because .*: fp8_e4m3\.$"):
        compile_for(AMPERE, form_of("fp8"), "fp8", FLAGS, tmp_path)


@needs_rtx
def test_what_the_compiler_says_is_the_reason(form_of, tmp_path):
    with pytest.raises(CandidateRejected, match=r"for SM75: Cannot compile operation .* FP32 GEMM"):
        compile_for(TURING, form_of("fp32"), "fp32", FLAGS, tmp_path)


@needs_rtx
def test_a_capability_it_does_not_build_for_is_refused(form_of, tmp_path):
    match = r"for RTX 1\.\d+\.\d+ builds for .*SM89.*, but Orin is SM87\. Install TensorRT itself"
    with pytest.raises(CandidateRejected, match=match):
        compile_for(ORIN, form_of("fp32"), "fp32", FLAGS, tmp_path)


@needs_rtx
def test_an_op_it_lacks_is_named(tmp_path, capfd):
    (tmp_path / "out").mkdir()
    with pytest.raises(CandidateRejected, match=r"can't read op Fold \(node 'fold1'\): "):
        compile_for(AMPERE, unknown_op_model(tmp_path), "fp32", FLAGS, tmp_path / "out")
    assert capfd.readouterr() == ("", "")


@needs_rtx
def test_a_dla_that_is_not_there_is_refused(form_of, tmp_path):
    with pytest.raises(CandidateRejected, match="one of this device's 0 cores"):
        compile_for(AMPERE, form_of("fp16"), "fp16", {**FLAGS, "dla_core": 0}, tmp_path)


@needs_rtx
def test_says_which_tensorrt_it_is():
    assert load_package().title.startswith("TensorRT for RTX 1.")
    assert load_package().is_strongly_typed(on_dla=False)


@pytest.mark.parametrize(
    ("gpu", "refused"),
    [
        (MAXWELL, {"int8", "bf16", "fp8"}),
        (PASCAL, {"fp16", "bf16", "fp8"}),
        (TURING, {"bf16", "fp8"}),
        (ORIN, {"fp8"}),
        (ADA, set()),
    ],
    ids=lambda value: value.sm if isinstance(value, Gpu) else "",
)
def test_a_precision_that_the_gpu_lacks_is_refused(gpu, refused):
    found = {name: hardware_refusal(name, gpu) for name in ENGINE.forms}
    assert {name for name, why in found.items() if why} == refused
    for name in refused:
        assert found[name].startswith(f"{name} on tensorrt needs a")
        assert f"but {gpu.name} is {gpu.sm}: it has no such instructions, only fp32" in found[name]


def test_a_refusal_needs_no_build(monkeypatch):
    monkeypatch.setattr(engine_module, "find_gpu", lambda: MAXWELL)
    assert "a Jetson Nano is a Maxwell" in ENGINE.refusal("int8", flags_of("int8"))
    assert ENGINE.refusal("fp16", flags_of("fp16")) is None
    assert ENGINE.refusal("fp32", flags_of("fp32")) is None


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_dla_computes_in_float16_alone(precision):
    assert "needs fp16, but precision is" in ENGINE.refusal(precision, {**FLAGS, "dla_core": 1})


SPARSE = ENGINE.flags_with({}, "2:4")


@pytest.mark.parametrize(
    ("gpu", "precision", "flags", "why"),
    [
        (TURING, "fp16", {}, "but T4 is SM75 and has none. Take an Ampere GPU"),
        (ORIN, "fp16", {"dla_core": 0}, "but a DLA has none. Choose tensorrt.dla_core: -1"),
        (ORIN, "fp32", {}, "but fp32 has none. Choose another precision, or tensorrt.tf32: true"),
        (ORIN, "fp32", {"tf32": True}, None),
        (ORIN, "fp16", {}, None),
        (ORIN, "int8", {}, None),
        (ADA, "fp8", {}, None),
    ],
)
def test_a_pattern_of_zeros_that_nothing_would_skip_is_refused(
    gpu, precision, flags, why, monkeypatch
):
    monkeypatch.setattr(engine_module, "find_gpu", lambda: gpu)
    monkeypatch.setattr(ENGINE, "module", "tensorrt")
    asked = {**flags_of(precision), **flags}
    found = ENGINE.refusal(precision, {**asked, **SPARSE})
    assert (found is None) if why is None else (why in found)
    assert ENGINE.refusal(precision, asked) is None


@needs_rtx
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_tensorrt_for_rtx_says_nothing_of_sparse_kernels_and_so_the_pattern_is_refused(
    precision, tmp_path, monkeypatch
):
    """Once it does, there is nothing to refuse."""
    folder = patterned_folder(precision, tmp_path)
    (tmp_path / "out").mkdir()
    flags = {**flags_of(precision), **SPARSE}
    complete = ENGINE._complete(flags)
    notes = compile_for(AMPERE, folder, precision, complete, tmp_path / "out").notes
    assert notes == [f"{load_package().title} doesn't say how many layers run on sparse kernels."]
    monkeypatch.setattr(engine_module, "find_gpu", lambda: AMPERE)
    refusal = ENGINE.refusal(precision, flags)
    assert "TensorRT for RTX doesn't say that it uses any. Take NVIDIA's tensorrt" in refusal


def patterned_folder(precision, folder):
    """Return a net wide enough for sparse kernels, with 2:4 in its weights, at a precision."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 128, 3, padding=1)]
    net = nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert set(impose_pattern(net).treated) == {"2"}
    for name in ("float", precision):
        (folder / name).mkdir()
    export_onnx(net.eval(), {"image": tiny_images(1)}, folder / "float")
    quantizer = load_quantizer(ENGINE.forms[precision])
    settings = {name: flag.default for name, flag in quantizer.SETTINGS.items()}
    calibration = [[tiny_images(1, seed)] for seed in range(4)]
    quantizer.quantize(folder / "float", calibration, settings, folder / precision)
    return folder / precision


def test_a_pattern_of_zeros_is_compiled_with_a_flag_of_its_own():
    assert SPARSE == {"sparse_weights": True}
    assert ENGINE.flags_with({"streams": 1}, "dense") == {"streams": 1}
    assert ENGINE.flags_with({"streams": 1}, None) == {"streams": 1}
    assert "sparse_weights" not in ENGINE.flags(4), "the weights decide it"


def test_flags_that_would_be_ignored_have_only_their_default(monkeypatch):
    monkeypatch.setattr(engine_module, "find_gpu", lambda: ORIN)
    monkeypatch.setattr(ENGINE, "module", "tensorrt")
    found = ENGINE.flags(4)
    assert found["optimization_level"].values == (0, 1, 2, 3, 4, 5)
    assert found["dla_core"].values == (-1, 0, 1)
    assert found["tf32"].values == (False, True)
    monkeypatch.setattr(ENGINE, "module", "tensorrt_rtx_bindings")
    monkeypatch.setattr(engine_module, "find_gpu", lambda: TURING)
    found = ENGINE.flags(4)
    assert [found[name].values for name in ("optimization_level", "dla_core", "tf32")] == [
        (3,),
        (-1,),
        (False,),
    ]


def test_without_a_gpu_that_is_what_is_missing(monkeypatch):
    monkeypatch.setattr(engine_module, "find_gpu", lambda: None)
    assert ENGINE.missing().what == "an NVIDIA GPU that its driver (libcuda.so.1) finds"
    assert ENGINE.accelerator() is None


def test_without_a_package_it_says_what_brings_one(monkeypatch):
    monkeypatch.setattr(engine_module, "find_gpu", lambda: AMPERE)
    monkeypatch.setattr(engine_module, "installed_package", lambda: None)
    assert "edge-inference-search[tensorrt-rtx]" in ENGINE.missing().remedy
    assert ENGINE.accelerator()["name"] == "RTX 3060"


@needs_rtx
def test_a_gpu_that_tensorrt_for_rtx_is_not_made_for_is_said_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(engine_module, "find_gpu", lambda: HOPPER)
    monkeypatch.setattr(ENGINE, "module", "tensorrt_rtx_bindings")
    found = ENGINE.missing()
    assert found.what.endswith("that for RTX isn't made for NVIDIA H200, which is SM90")
    assert found.remedy == "NVIDIA's own packages of tensorrt 10 or 11, or JetPack's"
    monkeypatch.setattr(engine_module, "find_gpu", lambda: AMPERE)
    assert ENGINE.missing() is None
    monkeypatch.setattr(engine_module, "find_gpu", lambda: HOPPER)
    monkeypatch.setattr(ENGINE, "module", "tensorrt")
    assert ENGINE.missing() is None


def test_flags_and_refusals_are_those_of_a_device_elsewhere(monkeypatch):
    monkeypatch.setattr(engine_module, "find_gpu", lambda: MAXWELL)
    sent = json.loads(json.dumps({**ORIN._asdict(), "module": "tensorrt"}))
    host = TensorRt()
    host.meet(sent)
    assert host.flags(4)["dla_core"].values == (-1, 0, 1)
    assert host.refusal("int8", FLAGS) is None
    assert "Orin" in host.toolchain(FLAGS)
    assert host.accelerator()["name"] == MAXWELL.name
    host.meet(None)
    assert MAXWELL.name in host.refusal("int8", FLAGS)


@pytest.mark.parametrize(
    ("board", "what", "remedy"),
    [
        ("NVIDIA Jetson Nano Developer Kit", "Python 3.6 alone", "nothing. Use a Jetson with"),
        ("NVIDIA Jetson Orin Nano Developer Kit", "this Python version", "python3-libnvinfer"),
        ("", "TensorRT for RTX", "edge-inference-search"),
    ],
)
def test_a_jetson_nano_is_refused_by_name(board, what, remedy):
    found = missing_package(board)
    assert what in found.what
    assert remedy in found.remedy


class TensorRtContract(EngineContract):
    """The run half: it needs a GPU."""

    engine = ENGINE

    @pytest.fixture
    def refused(self, tmp_path_factory):
        return unknown_op_model(tmp_path_factory.mktemp("refused"))

    @pytest.fixture
    def portable(self, form_of):
        return form_of(self.precision)

    def test_device_time_is_shorter_than_the_whole(self, session):
        prepared = session.prepare([tiny_images(1)])
        assert 0 < session.device_time_s(prepared) < 1
        assert session.device_memory().size_bytes > 0


needs_gpu = pytest.mark.skipif(ENGINE.missing() is not None, reason="no NVIDIA GPU here")


@needs_gpu
class TestFloat(TensorRtContract):
    tolerance = 1e-4


@needs_gpu
class TestFloat16(TensorRtContract):
    precision = "fp16"
    tolerance = 0.02


@needs_gpu
class TestInt8(TensorRtContract):
    precision = "int8"
    tolerance = 0.05


@needs_gpu
class TestGraph(TensorRtContract):
    tolerance = 1e-4

    @pytest.fixture
    def flags(self):
        return {**FLAGS, "cuda_graph": True, "streams": 2}
