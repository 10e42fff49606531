from pathlib import Path

import pytest
from pydantic import ValidationError

from spaces.connection import Ssh
from spaces.constraints import Constraint
from spaces.dimensions import Choice, Fixed, Range
from spaces.field_types import OnnxFiles
from spaces.load import load_space

CORAL = Path(__file__).parents[2] / "spaces" / "coral.yaml"


def test_the_coral_space_in_full():
    space = load_space(CORAL)
    assert space.workload == "workloads/digits_resnet8.py:Digits"
    assert space.device.engines == ("edgetpu",)
    assert space.device.rated_power_w == 2.0
    assert space.device.if_absent == "host-cpu"
    assert (space.budget.trials, space.budget.timeout_s) == (30, 300)
    assert space.objectives == ("latency_p90_ms", "peak_memory_mib", "power_w", "accuracy")
    assert space.constraints == {
        "latency_p90_ms": Constraint(max=50),
        "accuracy": Constraint(max_drop=0.02),
    }
    assert space.search.sparsity == Range(0.0, 0.8, 0.05)
    assert space.search.precision == ("int8",)
    assert space.search.distillation.temperature == Range(1.0, 10.0, log=True)
    assert space.search.distillation.alpha == Range(0.1, 0.9)
    assert space.search.distillation.epochs == Choice((0, 1, 2, 4), is_ordered=True)
    assert space.search.engine_flags == {"edgetpu": {"threads": Choice((1, 2), is_ordered=True)}}


def test_defaults(load):
    space = load()
    assert space.batch_size == 1
    assert (space.device.connect, space.device.meter, space.device.if_absent) == ((), None, "fail")
    assert (space.budget.trials, space.budget.timeout_s) == (30, None)
    assert (space.limits.stage_timeout_s, space.limits.memory_bytes) == (600, None)
    assert space.objectives == ("latency_p90_ms", "peak_memory_mib", "power_w", "accuracy")
    assert space.constraints == {}
    search = space.search
    assert (search.sparsity, search.precision) == (Fixed(0.0), None)
    assert search.sparsity_pattern == Fixed("dense")
    assert (search.pruning.importance, search.pruning.round_to) == (Fixed("l2"), Fixed(16))
    assert search.distillation.epochs == Fixed(0)
    assert search.distillation.temperature == Fixed(4.0)
    assert search.distillation.alpha == Fixed(0.5)
    assert (search.quantization, search.engine_flags) == ({}, {})


def test_a_key_with_nothing_behind_it_is_left_out(load):
    space = load("budget:\nconstraints:\nprofile:\nsearch:\n  sparsity:\n  distillation:\n")
    assert space.budget.trials == 30
    assert space.search.distillation.epochs == Fixed(0)


def test_units_are_si_inside(load):
    space = load("budget: {timeout: 1h30m}\nlimits: {stage_timeout: 90, memory: 2GiB}\n")
    assert space.budget.timeout_s == 5400
    assert (space.limits.stage_timeout_s, space.limits.memory_bytes) == (90, 2 * 2**30)


def test_groups_of_layers_have_their_own_sparsity(load):
    space = load("search: {sparsity: {stem: 0, layer1.0: {min: 0, max: 0.5}}}\n")
    assert space.search.sparsity == {"stem": Fixed(0.0), "layer1.0": Range(0.0, 0.5)}


@pytest.mark.parametrize(
    ("written", "precisions"), [("int8", ("int8",)), ("[int8, fp32]", ("int8", "fp32"))]
)
def test_precisions_keep_their_order(load, written, precisions):
    assert load(f"search: {{precision: {written}}}\n").search.precision == precisions


def test_booleans_of_yaml_are_choices(load):
    space = load("search: {engine_flags: {openvino: {a: [on, off], b: yes}}}\n")
    assert space.search.engine_flags["openvino"] == {"a": Choice((True, False)), "b": Fixed(True)}


def test_settings_of_the_quantizer(load):
    space = load("search: {quantization: {calibration_method: [minmax, entropy]}}\n")
    assert space.search.quantization == {"calibration_method": Choice(("minmax", "entropy"))}


def test_a_profile_fills_in_and_the_file_wins(load):
    space = load("profile: embedded\nconstraints: {power_w: {max: 15}}\n")
    assert space.constraints == {
        "latency_p90_ms": Constraint(max=50),
        "peak_memory_mib": Constraint(max=512),
        "power_w": Constraint(max=15),
    }


def test_a_profile_works_without_constraints(load):
    assert set(load("profile: mobile\n").constraints) == {
        "latency_p90_ms",
        "peak_memory_mib",
        "power_w",
    }


def test_names_that_only_later_layers_know_are_kept(load):
    space = load("objectives: [latency_p90_ms, mAP]\nconstraints: {edgetpu_cpu_ops: {max: 0}}\n")
    assert space.objectives == ("latency_p90_ms", "mAP")
    assert space.unresolved_objectives == ("mAP", "edgetpu_cpu_ops")


def test_a_device_behind_ssh(load):
    space = load("", "device.connect=ssh://pi@board:2222")
    assert space.device.connect == (Ssh("board", "pi", 2222),)


def test_a_model_that_exists_only_as_onnx(load):
    space = load("", "workload={onnx: m.onnx, data: d.npz}")
    assert space.workload == OnnxFiles(onnx="m.onnx", data="d.npz")


@pytest.mark.parametrize(
    "workload", ["w.py:W", "dir/w x.py:W", "../w.py:W", "package.module:W", "m:W_1"]
)
def test_workloads_in_python(load, workload):
    assert load("", f"workload={workload}").workload == workload


@pytest.mark.parametrize(
    "workload", ["w.py", "w.py:", ":W", "w.py:1W", "a-b:W", "w.py:W.x", "w:W:V"]
)
def test_what_names_no_class_is_refused(problems_of, workload):
    (line,) = problems_of("", f"workload='{workload}'")
    assert line.startswith("--set: workload must be file.py:Class, package.module:Class or")


@pytest.mark.parametrize("name", ["a", "coral-usb", "v1.2_b", "0", "x" * 64])
def test_names_that_are_file_names(load, name):
    assert load("", f"name='{name}'").name == name


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a b", "a/b", "é", "x" * 65, "a\\b"])
def test_names_that_are_no_file_names(problems_of, name):
    (line,) = problems_of("", f"name='{name}'")
    assert line.startswith("--set: name must be up to 64 letters, digits, dots, dashes or")


def test_a_space_is_frozen(load):
    with pytest.raises(ValidationError, match="frozen"):
        load().name = "other"


def test_later_layers_locate_their_problems_in_the_file(load):
    space = load(
        "search:\n  engine_flags:\n    openvino: {layer.0: 3}\n", "search.precision=[bf16]"
    )
    flag = ("search", "engine_flags", "openvino", "layer.0")
    assert str(space.problem(flag, "must be 1 or 2", 3, "Use 1.")) == (
        "space.yaml:7: search.engine_flags.openvino.layer.0 must be 1 or 2, but got 3. Use 1."
    )
    assert str(space.problem("search.precision", "isn't for onnxruntime", "bf16", "Use int8.")) == (
        "--set: search.precision isn't for onnxruntime, but got 'bf16'. Use int8."
    )
    assert str(space.problem(("device", "engines", 1), "must be installed", None, "Do.")) == (
        "space.yaml:4: device.engines must be installed. Do."
    )


def test_the_document_is_what_was_written(load):
    space = load("profile: mobile\n", "batch_size=4")
    assert space.document == {
        "version": 1,
        "name": "tiny",
        "workload": "tiny.py:Tiny",
        "device": {"name": "here", "engines": ["onnxruntime", "openvino"]},
        "profile": "mobile",
        "batch_size": 4,
    }
