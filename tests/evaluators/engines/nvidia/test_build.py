"""What TensorRT 8 to 11 are asked for, against a stand-in: none of them comes from a registry."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from evaluators.engines.nvidia.build import build_plan
from evaluators.engines.nvidia.cuda import Gpu
from evaluators.engines.nvidia.package import Package
from evaluators.failures import CandidateRejected

GPU = Gpu("Orin", (8, 7), 8 * 2**30, True, "R36 CUDA 12.6")
FLAGS = {
    "optimization_level": 3,
    "workspace_mib": 0,
    "tf32": False,
    "cuda_graph": False,
    "streams": 1,
    "dla_core": -1,
}
BUILDER_FLAGS = ["FP16", "INT8", "TF32", "GPU_FALLBACK", "SPARSE_WEIGHTS"]
SAID_BY_8 = [
    "(Sparsity) Layers eligible for sparse math: conv1, conv2 + relu, conv3",
    "(Sparsity) TRT inference plan picked sparse implementation for layers: conv2 + relu, conv3",
]
SAID_BY_10 = [
    "(Sparsity) Found 39 layer(s) eligible to use sparse tactics: conv1, conv2, ...",
    "(Sparsity) Chose 12 layer(s) using sparse tactics: conv2, ...",
]


def enum(*names):
    return SimpleNamespace(**{name: number for number, name in enumerate(names)})


class Config:
    """A builder's configuration; ``__slots__`` are what its generation has."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes, on=set(), off=set(), pools={}, cache=None)

    def set_flag(self, flag):
        self.on.add(flag)

    def clear_flag(self, flag):
        self.off.add(flag)

    def create_timing_cache(self, content):
        return content

    def set_timing_cache(self, cache, ignore_mismatch):
        self.cache = cache
        return not cache.startswith(b"of another GPU")

    def get_timing_cache(self):
        return SimpleNamespace(serialize=lambda: self.cache + b"timings,")

    def can_run_on_DLA(self, layer):  # noqa: N802 -- TensorRT's own name
        return layer.name != "softmax"


class ConfigWithPools(Config):
    def set_memory_pool_limit(self, pool, size):
        self.pools[pool] = size


def layer(name, kind="FLOAT"):
    tensor = SimpleNamespace(dtype=SimpleNamespace(name=kind))
    return SimpleNamespace(name=name, num_outputs=1, get_output=lambda index: tensor)


class Trt:
    """One generation of ``tensorrt``, which builds ``b"plan"``."""

    def __init__(self, version, config, creation_flags, builder_flags=BUILDER_FLAGS):
        self.config, self.created = config, []
        self.NetworkDefinitionCreationFlag = enum(*creation_flags)
        self.BuilderFlag = enum(*builder_flags)
        self.MemoryPoolType = enum("WORKSPACE")
        self.DeviceType = enum("GPU", "DLA")
        self.layers = [layer("conv"), layer("softmax")]
        self.errors, self.plan, self.complaint, self.said = [], b"plan", None, []
        log = SimpleNamespace(errors=[], sparsity=list(SAID_BY_8))  # by a build before
        self.package = Package(self, log, is_rtx=False, version=version)

    def Builder(self, log):  # noqa: N802 -- TensorRT's own name
        return SimpleNamespace(
            create_network=self._network,
            create_builder_config=lambda: self.config,
            build_serialized_network=self._build,
            num_DLA_cores=2,
        )

    def OnnxParser(self, network, log):  # noqa: N802 -- TensorRT's own name
        return SimpleNamespace(
            parse=lambda model: not self.errors,
            num_errors=len(self.errors),
            get_error=self.errors.__getitem__,
        )

    def _build(self, network, config):
        self.package.log.errors += [self.complaint] if self.complaint else []
        self.package.log.sparsity += self.said
        return self.plan

    def _network(self, flags):
        self.created.append(flags)
        return SimpleNamespace(
            num_layers=len(self.layers),
            get_layer=self.layers.__getitem__,
            num_inputs=1,
            get_input=lambda index: SimpleNamespace(name="image"),
            num_outputs=1,
            get_output=lambda index: SimpleNamespace(name="logits"),
        )


def trt_8_2():
    return Trt((8, 2, 1), Config(max_workspace_size=0), ["EXPLICIT_BATCH"])


def trt_8_6():
    return Trt((8, 6, 2), ConfigWithPools(builder_optimization_level=3), ["EXPLICIT_BATCH"])


def trt_10():
    return Trt(
        (10, 3, 0),
        ConfigWithPools(builder_optimization_level=3),
        ["EXPLICIT_BATCH", "STRONGLY_TYPED"],
    )


def trt_11():
    config = ConfigWithPools(builder_optimization_level=3)
    return Trt((11, 4, 1), config, ["STRONGLY_TYPED"], ["TF32", "GPU_FALLBACK"])


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_INFERENCE_SEARCH_CACHE", str(tmp_path / "cache"))


def build(trt, precision="fp32", gpu=GPU, **changed):
    return build_plan(trt.package, b"onnx", precision, {**FLAGS, **changed}, gpu)


@pytest.mark.parametrize("make", [trt_8_2, trt_8_6, trt_10, trt_11])
def test_every_generation_builds(make):
    trt = make()
    assert build(trt) == (b"plan", ["image"], ["logits"], [])
    assert trt.config.off == {trt.BuilderFlag.TF32}


@pytest.mark.parametrize(
    ("make", "precision", "network_flags", "builder_flags"),
    [
        (trt_8_2, "fp32", 1, []),
        (trt_8_2, "fp16", 1, ["FP16"]),
        (trt_8_6, "int8", 1, ["INT8"]),
        (trt_10, "fp16", 2, []),
        (trt_10, "int8", 2, []),
        (trt_11, "bf16", 1, []),
    ],
)
def test_precision_is_a_flag_before_10_and_a_type_since(
    make, precision, network_flags, builder_flags
):
    trt = make()
    build(trt, precision)
    assert trt.created == [network_flags]
    assert trt.config.on == {getattr(trt.BuilderFlag, name) for name in builder_flags}


def test_int8_with_float16_around_it_needs_both_flags():
    trt = trt_8_6()
    trt.layers.append(layer("cast", "HALF"))
    build(trt, "int8")
    assert trt.config.on == {trt.BuilderFlag.INT8, trt.BuilderFlag.FP16}


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_a_precision_that_came_later_is_refused(precision):
    with pytest.raises(
        CandidateRejected, match=rf"TensorRT 8\.6\.2 must .* compute in {precision}"
    ):
        build(trt_8_6(), precision)


def test_a_dla_needs_the_flag_in_10_and_says_what_it_leaves_to_the_gpu():
    trt = trt_10()
    assert build(trt, "fp16", dla_core=1).notes == ["1 of 2 layers run on the GPU."]
    assert trt.created == [0b01]
    assert trt.config.on == {trt.BuilderFlag.FP16, trt.BuilderFlag.GPU_FALLBACK}
    assert (trt.config.default_device_type, trt.config.DLA_core) == (trt.DeviceType.DLA, 1)


def test_a_dla_in_11_takes_the_files_types():
    trt = trt_11()
    build(trt, "fp16", dla_core=0)
    assert trt.created == [1]
    assert trt.config.on == {trt.BuilderFlag.GPU_FALLBACK}


def test_a_dla_that_runs_nothing_or_is_not_there_is_refused():
    trt = trt_10()
    trt.layers = [layer("softmax")]
    with pytest.raises(CandidateRejected, match="none of the 1 layers can run on the DLA"):
        build(trt, "fp16", dla_core=0)
    with pytest.raises(CandidateRejected, match="one of this device's 2 cores, counted from 0"):
        build(trt_10(), "fp16", dla_core=2)


def test_limits_are_in_force_by_the_names_of_their_generation():
    old, new = trt_8_2(), trt_8_6()
    build(old, workspace_mib=64)
    build(new, workspace_mib=64, optimization_level=5)
    assert old.config.max_workspace_size == 64 * 2**20
    assert new.config.pools == {new.MemoryPoolType.WORKSPACE: 64 * 2**20}
    assert new.config.builder_optimization_level == 5
    with pytest.raises(CandidateRejected, match=r"must be 3 before TensorRT 8\.6"):
        build(trt_8_2(), optimization_level=5)


def test_tf32_stays_on_where_it_is_asked_for():
    trt = trt_10()
    build(trt, tf32=True)
    assert trt.config.off == set()


def test_timings_are_kept_for_a_gpu_and_its_driver(tmp_path):
    for _ in range(2):
        trt = trt_10()
        build(trt)
    assert trt.config.cache == b"timings,"
    other = trt_10()
    build(other, gpu=GPU._replace(driver="R39 CUDA 13.0"))
    assert other.config.cache == b""
    assert len(list((tmp_path / "cache/tensorrt").iterdir())) == 2


def test_timings_that_do_not_fit_are_made_anew(tmp_path):
    build(trt_10())
    (kept,) = (tmp_path / "cache/tensorrt").iterdir()
    kept.write_bytes(b"of another GPU")
    trt = trt_10()
    build(trt)
    assert kept.read_bytes() == b"timings,"


def test_an_op_is_named_by_number_where_the_generation_knows_no_name():
    trt = trt_8_2()
    trt.errors = [SimpleNamespace(desc=lambda: "No importer\nfor Fold", node=lambda: 7)]
    with pytest.raises(
        CandidateRejected, match=r"can't read op number \(node 7\): No importer for"
    ):
        build(trt)


@pytest.mark.parametrize("make", [trt_8_2, trt_8_6, trt_10])
def test_sparse_kernels_are_allowed_where_weights_have_the_pattern(make):
    dense, sparse = make(), make()
    build(dense, "fp16")
    build(sparse, "fp16", sparse_weights=True)
    assert sparse.config.on - dense.config.on == {sparse.BuilderFlag.SPARSE_WEIGHTS}


@pytest.mark.parametrize(
    ("said", "note"),
    [
        (SAID_BY_8, "2 of 3 layers whose weights have the 2:4 pattern run on sparse kernels."),
        (
            [line.split(":")[0] + ": " for line in SAID_BY_8],
            "0 of 0 layers whose weights have the 2:4 pattern run on sparse kernels.",
        ),
        (SAID_BY_10, "12 of 39 layers whose weights have the 2:4 pattern run on sparse kernels."),
        ([], "TensorRT 10.3.0 doesn't say how many layers run on sparse kernels."),
        (SAID_BY_10[:1], "TensorRT 10.3.0 doesn't say how many layers run on sparse kernels."),
    ],
)
def test_how_many_layers_run_on_sparse_kernels_is_told(said, note):
    trt = trt_10()
    trt.said = said
    assert build(trt, "fp16", sparse_weights=True).notes == [note]
    assert build(trt, "fp16").notes == []


def test_a_generation_without_sparse_kernels_refuses_the_pattern():
    with pytest.raises(
        CandidateRejected, match=r"11\.4\.1 must have a builder flag SPARSE_WEIGHTS"
    ):
        build(trt_11(), "fp16", sparse_weights=True)


def test_a_build_that_fails_gives_the_last_error():
    trt = trt_10()
    trt.plan = None
    trt.complaint = "Error Code 4: Internal Error ([a.cpp:3: f] no kernel for x.)"
    with pytest.raises(CandidateRejected, match=r"3\.0 can't build the model for SM87: no kernel"):
        build(trt)
