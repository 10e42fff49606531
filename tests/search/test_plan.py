from __future__ import annotations

import json
from dataclasses import replace

import pytest

from evaluators.candidate import Candidate
from evaluators.measurement import PowerSource
from search.errors import UsageError
from search.plan import make_plan
from spaces.dimensions import Choice, Fixed, Range
from spaces.objectives import OBJECTIVES, Objective

SPEED = "objectives: [latency_p90_ms, accuracy]\n"


@pytest.fixture
def plan_of(space_of, target_of, workload):
    """Plan a space of four good lines and ``extra`` from line 5 on."""

    def plan(extra=SPEED, engines="onnxruntime, openvino", *, facts=workload, **target):
        return make_plan(space_of(extra, engines), target_of(*engines.split(", "), **target), facts)

    return plan


@pytest.fixture
def problems_of(plan_of):
    """Return every problem of such a space."""

    def problems(extra, *args, **kwargs):
        with pytest.raises(UsageError, match=r"\Aspace\.yaml:") as caught:
            plan_of(extra, *args, **kwargs)
        return str(caught.value).splitlines()

    return problems


def test_a_precision_that_no_engine_has(problems_of):
    assert problems_of("search: {precision: [int8, bf16]}\n", "onnxruntime") == [
        (
            "space.yaml:5: search.precision must be what onnxruntime has, but got 'bf16'. "
            "It accepts fp32, int8."
        )
    ]


def test_an_engine_that_has_no_precision_of_the_space(problems_of):
    extra = "search:\n  precision:\n    - fp32\n    - bf16\n"
    assert problems_of(extra, "onnxruntime, edgetpu") == [
        (
            "space.yaml:8: search.precision must be what onnxruntime or edgetpu has, but got "
            "'bf16'. It accepts fp32, int8."
        ),
        (
            "space.yaml:6: search.precision must hold a precision that edgetpu has, "
            "but got ['fp32', 'bf16']. Add int8."
        ),
    ]


def test_a_pattern_that_no_engine_has_kernels_for(problems_of):
    extra = 'search:\n  sparsity_pattern:\n    - dense\n    - "2:4"\n'
    assert problems_of(extra, "onnxruntime, openvino") == [
        (
            "space.yaml:8: search.sparsity_pattern must be a pattern that onnxruntime or openvino "
            "has kernels for, but got '2:4'. Only tensorrt has them. Write dense, or leave it "
            "out."
        )
    ]


def test_an_engine_that_has_kernels_for_no_pattern_of_the_space(problems_of, plan_of):
    extra = 'search: {sparsity_pattern: "2:4"}\n'
    assert problems_of(extra, "tensorrt, onnxruntime") == [
        (
            "space.yaml:5: search.sparsity_pattern must hold a pattern that onnxruntime has "
            "kernels for, but got ['2:4']. Add dense."
        )
    ]
    both = 'search: {sparsity_pattern: [dense, "2:4"]}\n'
    found = plan_of(SPEED + both, "tensorrt, onnxruntime").parameters.dimensions
    assert found["sparsity_pattern"] == Choice(("dense", "2:4"))


@pytest.mark.parametrize("pattern", ["[dense, 2:4]", "2:4"])
def test_the_baseline_has_dense_weights(plan_of, pattern):
    plan = plan_of(f"{SPEED}search: {{sparsity_pattern: {pattern}}}\n", "tensorrt")
    assert not plan.baseline.is_pruned
    is_inside = plan.parameters.params_of(plan.baseline) is not None
    assert is_inside is (pattern != "2:4")
    assert {candidate.has_pattern for candidate in plan.first} == {pattern == "2:4"}


def test_a_flag_that_an_engine_lacks(problems_of):
    extra = "search:\n  engine_flags:\n    litert: {thread: [1, 2]}\n"
    assert problems_of(extra, "litert") == [
        (
            "space.yaml:7: search.engine_flags.litert.thread is not a flag of this engine. "
            "Did you mean threads?"
        )
    ]


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("threads: 0", "threads must be a value it has, but got 0. It accepts 1, 2, 3, 4."),
        ("threads: [1, 2.5]", "threads must be a value it has, but got 1.0. It accepts 1, 2, 3"),
        (
            "threads: {min: 1.0, max: 3.5}",
            "threads must be a value it has, but got 1.0. It accepts 1, 2, 3, 4.",
        ),
        ("threads: two", "threads must be a value it has, but got 'two'. It accepts 1, 2, 3, 4."),
        (
            "spinning: [1, 0]",
            "spinning must be a value it has, but got 0. It accepts true, false.",
        ),
        (
            "spinning: {min: 0, max: 1}",
            "spinning must be a list, but got 'a range'. Use some of true, false.",
        ),
        (
            "graph_optimization: [all, most]",
            (
                "graph_optimization must be a value it has, but got 'most'. "
                "It accepts disabled, basic, extended, all."
            ),
        ),
    ],
)
def test_a_value_that_a_flag_does_not_have(problems_of, flag, problem):
    extra = f"search:\n  engine_flags:\n    onnxruntime:\n      {flag}\n"
    start = "space.yaml:8: search.engine_flags.onnxruntime."
    assert problems_of(extra)[0].startswith(f"{start}{problem}")


def test_more_threads_than_cpus_may_be_asked_for(plan_of):
    flags = "search: {engine_flags: {onnxruntime: {threads: [1, 16]}}}\n"
    threads = plan_of(SPEED + flags).parameters.dimensions["onnxruntime.threads"]
    assert threads == Choice((1, 16), is_ordered=True)


def test_a_setting_that_no_quantizer_has(problems_of):
    extra = "search:\n  quantization: {per_chanel: true}\n"
    assert problems_of(extra) == [
        (
            "space.yaml:6: search.quantization.per_chanel is not a setting of these quantizers. "
            "Did you mean per_channel?"
        )
    ]
    assert problems_of(extra, "litert") == [
        (
            "space.yaml:6: search.quantization.per_chanel is not a setting of these quantizers. "
            "Leave it out: there is none here."
        )
    ]


def test_a_value_that_a_quantizer_does_not_have(problems_of):
    assert problems_of("search:\n  quantization:\n    preset: [mixed, fast]\n") == [
        (
            "space.yaml:7: search.quantization.preset must be a value it has, but got 'fast'. "
            "It accepts performance, mixed."
        )
    ]


def test_an_objective_that_nothing_measures(problems_of):
    extra = "objectives:\n  - latency_p90_ms\n  - cycles\nconstraints:\n  ethosu_cycles: {max: 9}\n"
    found = problems_of(extra)
    assert found[0].startswith(
        "space.yaml:7: objectives must be something that is measured, but got 'cycles'. "
        "Use latency_p50_ms, "
    )
    assert found[1].startswith(
        "space.yaml:9: constraints.ethosu_cycles must be something that is measured, but got "
    )
    assert len(found) == 2


def test_what_an_engine_tells_is_an_objective_and_a_constraint(plan_of):
    extra = (
        "objectives: [latency_p90_ms, ethosu_sram_mib, accuracy]\n"
        "constraints: {ethosu_cpu_ops: {max: 0}, ethosu_cycles: {max_ratio: 0.5}}\n"
    )
    plan = plan_of(extra, "ethosu")
    sram = plan.objectives[1]
    assert (sram.name, sram.unit, sram.si_name) == ("ethosu_sram_mib", "MiB", "ethosu_sram_bytes")
    assert [o.name for o in plan.constraints] == ["ethosu_cpu_ops", "ethosu_cycles"]
    assert {o.name for o in plan.figures} >= {"ethosu_cycles", "ethosu_npu_ops"}


def test_what_only_one_of_several_engines_tells_compares_nothing(problems_of):
    extra = "objectives: [latency_p90_ms, ethosu_cycles, accuracy]\n"
    (problem,) = problems_of(extra, "ethosu, litert")
    assert problem.endswith("'ethosu_cycles'. Only ethosu has it, not litert.")


def test_what_an_absent_compiler_would_tell(problems_of, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    extra = "objectives: [edgetpu_cycles, edgetpu_offchip_mib, accuracy]\n"
    (problem,) = problems_of(extra, "edgetpu")
    assert "'edgetpu_offchip_mib'. Here it isn't: edgetpu_compiler isn't on PATH" in problem


def test_bounds_of_what_an_engine_tells_are_checked_too(problems_of):
    extra = SPEED + "constraints:\n  ethosu_cycles: {min: 9}\n  ethosu_npu_ops: {max_drop: 0.1}\n"
    assert problems_of(extra, "ethosu") == [
        (
            "space.yaml:7: constraints.ethosu_cycles.min would refuse the better models, as the "
            "goal is to minimize. Write max."
        ),
        (
            "space.yaml:8: constraints.ethosu_npu_ops.max_drop is only for the metric. "
            "Write max or max_ratio."
        ),
    ]


@pytest.mark.parametrize("name", ["peak_memory_mib", "power_w", "energy_mj"])
def test_what_only_a_run_on_the_device_would_show(space_of, target_of, workload, name):
    space = space_of(f"objectives: [latency_p90_ms, {name}, accuracy]\n", "ethosu")
    target = replace(target_of("ethosu"), untimed={"ethosu": "vela"})
    with pytest.raises(UsageError, match=r"Nothing is run on ethosu here, and vela doesn't tell"):
        make_plan(space, target, workload)


@pytest.mark.parametrize(
    ("chips", "baseline"),
    [("ethos-u65-256", "ethos-u65-256"), ("[ethos-u85-128, ethos-u55-64]", "ethos-u85-128")],
)
def test_the_baseline_is_on_the_chip_of_the_space(plan_of, chips, baseline):
    flags = f"search: {{engine_flags: {{ethosu: {{accelerator: {chips}}}}}}}\n"
    assert plan_of(SPEED + flags, "ethosu").baseline.flags["accelerator"] == baseline


def test_a_chip_that_is_not_named_is_not_searched(plan_of):
    plan = plan_of(SPEED, "ethosu")
    assert plan.parameters.dimensions["ethosu.accelerator"] == Fixed("ethos-u55-128")


def test_what_is_not_timed_is_confirmed_once(plan_of):
    timed = plan_of(SPEED, "ethosu")
    assert (timed.is_timed, timed.rounds) == (True, 3)
    untimed = replace(timed, target=replace(timed.target, untimed={"ethosu": "vela"}))
    assert (untimed.is_timed, untimed.rounds) == (False, 1)


def test_memory_of_a_device_that_has_none(problems_of):
    assert problems_of("objectives: [device_memory_mib, accuracy]\n") == [
        (
            "space.yaml:5: objectives must be something that is measured, but got "
            "'device_memory_mib'. On this device it isn't: a CPU has no memory of its own apart "
            "from peak_memory_mib. Drop it, or onnxruntime and openvino."
        )
    ]


def test_memory_of_a_device_that_the_engine_does_not_tell(problems_of):
    extra = "objectives: [device_memory_mib, accuracy]\n"
    processors = {"onnxruntime": ("gpu",), "openvino": ("cpu",)}
    (problem,) = problems_of(extra, processors=processors)
    assert problem.endswith(
        "onnxruntime can't tell it of what runs elsewhere than on the CPU. Drop it, or onnxruntime "
        "and openvino."
    )


@pytest.mark.parametrize("name", ["power_w", "energy_mj"])
def test_power_without_a_meter_and_without_a_rated_power(problems_of, plan_of, name):
    extra = f"objectives: [latency_p90_ms, {name}, accuracy]\n"
    assert problems_of(extra, power=PowerSource(None, None)) == [
        (
            f"space.yaml:5: objectives must be something that is measured, but got '{name}'. "
            "No power meter here measures the CPU. Give device.rated_power_w for an estimate, or "
            "leave it out."
        )
    ]
    assert plan_of(extra, power=PowerSource(None, 15.0)).objectives[1] == OBJECTIVES[name]


def test_power_of_processors_that_no_one_meter_measures(problems_of):
    extra = "objectives: [latency_p90_ms, power_w, accuracy]\n"
    everywhere = {"onnxruntime": ("cpu", "gpu")}
    (problem,) = problems_of(extra, power=PowerSource(None, None), processors=everywhere)
    assert problem.endswith(
        "No power meter here measures the CPU and the GPU together. Keep to one of them, give "
        "device.rated_power_w for an estimate, or leave it out."
    )


def test_a_profile_bounds_power_too(problems_of):
    assert problems_of(SPEED + "profile: mobile\n", power=PowerSource(None, None)) == [
        (
            "space.yaml:1: constraints.power_w must be something that is measured, but got "
            "'power_w'. No power meter here measures the CPU. Give device.rated_power_w for an "
            "estimate, or leave it out."
        )
    ]


def test_accuracy_of_a_workload_that_has_another_metric(problems_of, workload):
    facts = replace(workload, metric="map_50")
    assert problems_of("constraints:\n  accuracy: {min: 0.9}\n" + SPEED, facts=facts) == [
        (
            "space.yaml:7: objectives must be something that is measured, but got 'accuracy'. "
            "This workload's metric is called map_50."
        ),
        (
            "space.yaml:6: constraints.accuracy must be something that is measured, but got "
            "'accuracy'. This workload's metric is called map_50."
        ),
    ]


def test_the_workloads_own_metric_is_an_objective(plan_of, workload):
    facts = replace(workload, metric="error", direction="minimize")
    extra = "objectives: [latency_p90_ms, error]\nconstraints: {error: {max_drop: 0.02}}\n"
    plan = plan_of(extra, facts=facts)
    metric = Objective("error", "minimize", "", "error")
    assert (plan.metric, plan.objectives[1]) == (metric, metric)
    assert plan.constraints[metric].max_drop == 0.02


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("sparsity", "sparsity: {min: 0, max: 0.5}"),
        ("sparsity", "sparsity: {stem: 0.5}"),
        ("sparsity_pattern", "sparsity_pattern: 2:4"),
        ("distillation", "distillation: {epochs: [0, 1]}"),
    ],
)
def test_a_model_that_cannot_be_trained(problems_of, workload, key, text):
    facts = replace(workload, is_trainable=False, modules=())
    engine = "tensorrt" if key == "sparsity_pattern" else "onnxruntime, openvino"
    assert problems_of(f"{SPEED}search:\n  {text}\n", engine, facts=facts) == [
        (
            f"space.yaml:7: search.{key} needs a torch model. This one exists only as ONNX: leave "
            "it out."
        )
    ]


def test_a_model_that_cannot_be_trained_has_the_other_dimensions(plan_of, workload):
    plan = plan_of(facts=replace(workload, is_trainable=False, modules=()))
    assert plan.parameters.sparsity == Fixed(0.0)
    assert "openvino.threads" in plan.parameters.searched


def test_a_group_that_is_no_module_of_the_model(problems_of, plan_of):
    extra = "search:\n  sparsity:\n    stem: 0.5\n    stage: {min: 0, max: 0.5}\n"
    assert problems_of(SPEED + extra) == [
        (
            "space.yaml:9: search.sparsity.stage must be the name of one of the model's modules, "
            "but got 'stage'. Did you mean stage1?"
        )
    ]
    nested = "search: {sparsity: {stem.conv: 0.5}}\n"
    assert plan_of(SPEED + nested).parameters.sparsity == {"stem.conv": Fixed(0.5)}


def test_all_problems_come_in_one_pass(problems_of):
    extra = """\
objectives: [device_memory_mib, accuracy]
search:
  precision: [int8, fp16]
  sparsity: {tail: 0.5}
  quantization: {bits: 8}
  engine_flags: {onnxruntime: {threads: 0}}
"""
    lines = [problem.split(": ")[0] for problem in problems_of(extra, "onnxruntime")]
    assert sorted(lines) == [f"space.yaml:{line}" for line in (10, 5, 7, 8, 9)]


def test_what_the_file_leaves_out_is_the_engines_own_range(plan_of):
    found = plan_of(SPEED + "search: {engine_flags: {onnxruntime: {spinning: false}}}\n")
    assert found.parameters.dimensions == {
        "engine": Choice(("onnxruntime", "openvino")),
        "onnxruntime.precision": Choice(("fp32", "int8")),
        "onnxruntime.threads": Choice((1, 2, 3, 4), is_ordered=True),
        "onnxruntime.graph_optimization": Choice(("disabled", "basic", "extended", "all")),
        "onnxruntime.execution_mode": Choice(("sequential", "parallel")),
        "onnxruntime.spinning": Fixed(False),
        "onnxruntime.provider": Fixed("cpu"),
        "openvino.precision": Choice(("fp32", "fp16", "bf16", "int8")),
        "openvino.threads": Choice((1, 2, 3, 4), is_ordered=True),
        "openvino.streams": Choice((0, 1, 2, 3, 4), is_ordered=True),
        "openvino.performance_hint": Choice(("latency", "throughput")),
        "openvino.inference_precision": Choice(("f32", "bf16", "f16")),
        "sparsity": Fixed(0.0),
        "pruning.importance": Fixed("l2"),
        "pruning.round_to": Fixed(16),
        "distillation.epochs": Fixed(0),
        "distillation.temperature": Fixed(4.0),
        "distillation.alpha": Fixed(0.5),
        "quantization.calibration_method": Fixed("minmax"),
        "quantization.per_channel": Fixed(True),
        "quantization.weight_bits": Fixed(8),
        "quantization.preset": Fixed("performance"),
    }


def test_the_file_decides_what_it_names(plan_of):
    extra = """\
search:
  sparsity: {min: 0, max: 0.8, step: 0.1}
  precision: [int8, bf16]
  pruning: {round_to: [4, 8]}
  distillation: {epochs: [0, 2], alpha: 0.3}
  quantization: {per_channel: [true, false]}
  engine_flags: {openvino: {threads: {min: 1, max: 3}}}
"""
    found = plan_of(SPEED + extra).parameters.dimensions
    expected = {
        "sparsity": Range(0.0, 0.8, 0.1),
        "onnxruntime.precision": Fixed("int8"),
        "openvino.precision": Choice(("int8", "bf16")),
        "pruning.round_to": Choice((4, 8), is_ordered=True),
        "distillation.epochs": Choice((0, 2), is_ordered=True),
        "distillation.alpha": Fixed(0.3),
        "quantization.per_channel": Choice((True, False)),
        "openvino.threads": Range(1, 3, is_integer=True),
    }
    assert {name: found[name] for name in expected} == expected


def test_the_baseline_is_the_first_engine_at_its_best_and_with_its_defaults(plan_of):
    streams = {"streams": 0, "performance_hint": "latency"}
    openvino = Candidate("openvino", "fp32", flags={"threads": 4, **streams})
    assert plan_of(engines="openvino, onnxruntime").baseline == openvino
    edgetpu = Candidate("edgetpu", "int8", flags={"threads": 1, "max_cpu_ops": 0})
    assert plan_of(engines="edgetpu").baseline == edgetpu


def test_the_first_trials_are_the_baseline_then_each_precision_alone(plan_of):
    plan = plan_of()
    names = [(candidate.engine, candidate.precision) for candidate in plan.first]
    assert names == [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("openvino", "fp32"),
        ("openvino", "fp16"),
        ("openvino", "bf16"),
        ("openvino", "int8"),
    ]
    assert plan.first[0] == plan.baseline
    assert not any(candidate.is_pruned or candidate.distillation for candidate in plan.first)


def test_first_trials_lie_inside_a_space_that_leaves_the_baseline_out(plan_of):
    extra = """\
search:
  precision: [int8]
  sparsity: {min: 0.3, max: 0.8, step: 0.1}
  distillation: {epochs: [1, 2], temperature: {min: 1, max: 10, log: true}}
  engine_flags: {onnxruntime: {threads: [1, 2], spinning: false}}
"""
    plan = plan_of(SPEED + extra, "onnxruntime")
    (first,) = plan.first
    assert first != plan.baseline
    assert first.sparsity == 0.3
    assert first.distillation.epochs == 1
    assert (first.flags["threads"], first.flags["spinning"]) == (2, False)
    assert plan.parameters.candidate_of(plan.parameters.params_of(first)) == first


def test_what_may_change_between_sessions_is_no_part_of_the_identity(plan_of):
    plain = plan_of().identity
    assert plan_of(SPEED + "budget: {trials: 7}\nlimits: {stage_timeout: 9s}\n").identity == plain
    rounds = "measuring: {rounds: 5, canary_interval: 1m}\n"
    assert plan_of(SPEED + rounds).identity == plain
    changed = [
        plan_of(SPEED + "measuring: {duration: 2s}\n"),
        plan_of("objectives: [latency_p99_ms, accuracy]\n"),
        plan_of(engines="openvino, onnxruntime"),
        plan_of(SPEED + "batch_size: 2\n"),
        plan_of(SPEED + "search: {precision: int8}\n"),
    ]
    assert len({plain, *(plan.identity for plan in changed)}) == 6


def test_the_identity_ignores_the_order_of_keys(plan_of):
    bounds = "constraints: {accuracy: {min: 0.9}}\n"
    assert plan_of(SPEED + bounds).identity == plan_of(bounds + SPEED).identity


@pytest.mark.parametrize(
    ("extra", "queries"),
    [
        (SPEED, 64),
        ("objectives: [latency_p99_ms, accuracy]\n", 662),
        (SPEED + "constraints: {latency_p99_ms: {max: 9}}\n", 662),
    ],
)
def test_a_p99_takes_more_queries_than_a_p90(plan_of, extra, queries):
    wanted = {"min_queries": queries, "min_duration_s": 0.5, "offline_s": 0.15}
    assert plan_of(extra).timing == wanted


def test_the_space_file_says_how_long_to_measure(plan_of):
    timing = plan_of(SPEED + "measuring: {duration: 0.5}\n").timing
    assert (timing["min_duration_s"], timing["offline_s"]) == (0.5, 0.15)


def test_every_first_trial_is_plain_data_for_a_storage(plan_of):
    plan = plan_of()
    for candidate in plan.first:
        params = plan.parameters.params_of(candidate)
        assert json.loads(json.dumps(params)) == params
