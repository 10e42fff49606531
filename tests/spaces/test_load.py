from pathlib import Path

import pytest

from spaces.errors import SpaceError
from spaces.load import load_space

SPACES = Path(__file__).parents[2] / "spaces"
RANGE_REMEDY = "Write {min: 0, max: 10}, with step or log where wanted."
BOUND_KEYS = "Its keys are max, min, max_drop, max_ratio, min_ratio."


def test_the_least_a_file_must_say(load):
    space = load()
    assert (space.name, space.workload, space.device.engines) == (
        "tiny",
        "tiny.py:Tiny",
        ("onnxruntime", "openvino"),
    )


@pytest.mark.parametrize("name", ["coral", "cpu", "nuc", "jetson"])
def test_the_shipped_files_load(name):
    space = load_space(SPACES / f"{name}.yaml")
    assert space.name == name
    assert space.unresolved_objectives == ()
    assert space.folder == SPACES
    assert space.constraints["accuracy"].max_drop in {0.02, 0.03}
    first_line = (SPACES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first_line == "# yaml-language-server: $schema=space.schema.json"


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        # Keys.
        ("batch_sise: 1", "5: batch_sise is not a key here. Did you mean batch_size?"),
        ("n_trials: 9", "5: n_trials is not a key here. Write budget: {trials: 30}."),
        (
            "budget:\n  max_trials: 9",
            "6: budget.max_trials is not a key here. Write budget: {trials: 30}.",
        ),
        ("budget: {zzz: 9}", "5: budget.zzz is not a key here. Use trials or timeout."),
        ("parameters: {}", "5: parameters is not a key here. Write search instead."),
        ("search: {dtype: x}", "5: search.dtype is not a key here. Write precision: [fp32, int8]."),
        ("name: again", "5: name is already given on line 2. Keep one of them."),
        # Types.
        (
            "batch_size: '1'",
            "5: batch_size must be a whole number, but got '1'. Write e.g. batch_size: 1.",
        ),
        (
            "batch_size: true",
            "5: batch_size must be a whole number, but got true. Write e.g. batch_size: 1.",
        ),
        (
            "batch_size: 1.5",
            "5: batch_size must be a whole number, but got 1.5. Write e.g. batch_size: 1.",
        ),
        ("batch_size: 0", "5: batch_size must be above 0, but got 0. Write e.g. batch_size: 1."),
        (
            "budget: {trials: 99999999999999999999}",
            "5: budget.trials must be a whole number, but got 1e+20. Write e.g. trials: 30.",
        ),
        (
            "budget: {trials: 9999999}",
            "5: budget.trials must be at most 1000000, but got 9999999. Write e.g. trials: 30.",
        ),
        (
            "budget: 30",
            "5: budget must be a mapping of keys, but got 30. Its keys are trials, timeout.",
        ),
        (
            "budget: {timeout: 1:30}",
            (
                "5: budget.timeout must be a duration above 0, such as 90s, 5m or 1h30m, but got "
                "'1:30'. Write e.g. timeout: 8h."
            ),
        ),
        (
            "limits:\n  memory: 8\n",
            (
                "6: limits.memory must be a size with its unit, such as 512MiB or 8GiB, but got 8. "
                "Write e.g. memory: 8GiB."
            ),
        ),
        (
            "profile: mobil",
            (
                "5: profile must be mobile, embedded or edge-server, but got 'mobil'. "
                "Did you mean mobile?"
            ),
        ),
        # Objectives and constraints.
        (
            "objectives: []",
            "5: objectives must not be empty. Write e.g. objectives: [latency_p90_ms].",
        ),
        (
            "objectives: accuracy",
            (
                "5: objectives must be a list, but got 'accuracy'. "
                "Write e.g. objectives: [latency_p90_ms]."
            ),
        ),
        (
            "objectives:\n  - accuracy\n  - latency_p9_ms",
            (
                "7: objectives must name objectives, but got 'latency_p9_ms'. "
                "Did you mean latency_p99_ms?"
            ),
        ),
        (
            "objectives: [latency]",
            "5: objectives must name objectives, but got 'latency'. Did you mean latency_p90_ms?",
        ),
        (
            "objectives: [accuracy, '']",
            "5: objectives must not be empty. Write e.g. objectives: [latency_p90_ms].",
        ),
        (
            "objectives: [accuracy, accuracy]",
            "5: objectives must not repeat a name, but got 'accuracy'. Keep one of them.",
        ),
        (
            "constraints: {powr_w: {max: 3}}",
            "5: constraints.powr_w is not an objective. Did you mean power_w?",
        ),
        (
            "constraints:\n  power_w: 3",
            f"6: constraints.power_w must be a mapping of keys, but got 3. {BOUND_KEYS}",
        ),
        (
            "constraints:\n  power_w:",
            f"6: constraints.power_w must be a mapping of keys, but got nothing. {BOUND_KEYS}",
        ),
        (
            "constraints: {power_w: {}}",
            (
                "5: constraints.power_w must hold a bound, but got {}. "
                "Write e.g. power_w: {max_ratio: 1}."
            ),
        ),
        (
            "constraints: {power_w: {mx: 3}}",
            "5: constraints.power_w.mx is not a key here. Did you mean max?",
        ),
        (
            "constraints: {power_w: {max: .nan}}",
            "5: constraints.power_w.max must be a finite number, but got .nan. Write e.g. max: 50.",
        ),
        (
            "constraints: {power_w: {max_ratio: 0}}",
            (
                "5: constraints.power_w.max_ratio must be above 0, but got 0. Write e.g. "
                "max_ratio: 0.5."
            ),
        ),
        (
            "constraints: {accuracy: {max_drop: -0.1}}",
            (
                "5: constraints.accuracy.max_drop must be at least 0, but got -0.1. "
                "Write e.g. max_drop: 0.02."
            ),
        ),
        (
            "constraints: {accuracy: {max: 0.02}}",
            (
                "5: constraints.accuracy.max would refuse the better models, as the goal is to "
                "maximize. Write min."
            ),
        ),
        # The search.
        (
            "search:\n  sparsity:\n    min: 0\n    max: 1.2",
            "8: search.sparsity.max must be in [0, 1), but got 1.2. Use a fraction, e.g. 0.8.",
        ),
        (
            "search: {sparsity: 1}",
            "5: search.sparsity must be in [0, 1), but got 1. Use a fraction, e.g. 0.8.",
        ),
        (
            "search: {sparsity: high}",
            "5: search.sparsity must be a number, but got 'high'. Use a fraction, e.g. 0.8.",
        ),
        (
            "search:\n  sparsity: {stem: 0.1, stage2: {min: 0, max: -1}}",
            (
                "6: search.sparsity.stage2.max must be in [0, 1), but got -1. Use a fraction, "
                "e.g. 0.8."
            ),
        ),
        (
            "search: {sparsity: {}}",
            (
                "5: search.sparsity must be a range or groups of layers, but got {}. Use a "
                "fraction, e.g. 0.8."
            ),
        ),
        (
            "search: {sparsity: {low: 0, min: 0, max: 0.8}}",
            "5: search.sparsity.low is not a key of a range. Write min instead of low.",
        ),
        (
            "search: {sparsity: {values: [0, 0.5]}}",
            "5: search.sparsity.values is not a key of a range. Write the list itself: [a, b].",
        ),
        (
            "search: {sparsity: {min: 0.1}}",
            f"5: search.sparsity must have max, but got {{min: 0.1}}. {RANGE_REMEDY}",
        ),
        (
            "search: {sparsity: {min: 0.6, max: 0.2}}",
            "5: search.sparsity.max must be at least min (0.6), but got 0.2. Swap the two.",
        ),
        (
            "search: {sparsity: {min: 0, max: 0.8, step: 0.3}}",
            (
                "5: search.sparsity.step must divide max - min (0.8), so "
                "that max is reached, but got "
                "0.3. Use max: 0.6, or another step."
            ),
        ),
        (
            "search: {precision: [int8, int4]}",
            (
                "5: search.precision must be fp32, fp16, bf16, int8 or fp8, but got 'int4'. "
                "Did you mean int8?"
            ),
        ),
        (
            "search: {precision: []}",
            "5: search.precision must not be an empty list. Name at least one value.",
        ),
        (
            "search: {precision: [int8, int8]}",
            "5: search.precision must not repeat a value, but got 'int8'. Keep one of them.",
        ),
        (
            "search: {precision: 8}",
            "5: search.precision must be a word, but got 8. Use a list, e.g. [fp32, int8].",
        ),
        (
            "search: {sparsity_pattern: [dense, 4:8]}",
            "5: search.sparsity_pattern must be dense or 2:4, but got '4:8'. Use dense or 2:4.",
        ),
        (
            "search: {pruning: {importance: taylor}}",
            (
                "5: search.pruning.importance must be l2, l1 or bn_scale, but got 'taylor'. "
                "Use l2, l1 or bn_scale."
            ),
        ),
        (
            "search: {pruning: {round_to: 0}}",
            (
                "5: search.pruning.round_to must be at least 1, but got 0. "
                "Use a multiple such as 8 or 16."
            ),
        ),
        (
            "search: {distillation: {alpha: 0.5}}",
            "5: search.distillation.epochs must be given. Write e.g. epochs: [0, 1, 2, 4].",
        ),
        (
            "search: {distillation: {epochs: 1.5}}",
            (
                "5: search.distillation.epochs must be a whole number, but got 1.5. "
                "Use a list, e.g. [0, 1, 2, 4]."
            ),
        ),
        (
            "search: {distillation: {epochs: 1, temperature: {min: 0, max: 9, log: true}}}",
            (
                "5: search.distillation.temperature.min must be above 0, but got 0. "
                "Use e.g. {min: 1, max: 10, log: true}."
            ),
        ),
        (
            "search: {distillation: {epochs: 1, alpha: {min: 0.1, max: 1.1}}}",
            (
                "5: search.distillation.alpha.max must be in [0, 1], but got 1.1. "
                "Use e.g. {min: 0.1, max: 0.9}."
            ),
        ),
        (
            "search: {quantization: {per_channel: [true, auto]}}",
            (
                "5: search.quantization.per_channel must hold only words, only numbers or only "
                "booleans, but got [true, 'auto']. Quote a number or "
                "on/off/yes/no to make it a word."
            ),
        ),
        (
            "search: {engine_flags: {litert: {threads: 1}}}",
            (
                "5: search.engine_flags.litert is for an engine that isn't in device.engines "
                "['onnxruntime', 'openvino']. Use onnxruntime or openvino."
            ),
        ),
        (
            "search: {engine_flags: {openvino: 3}}",
            (
                "5: search.engine_flags.openvino must be a mapping of keys, but got 3. "
                "Write e.g. engine_flags: {onnxruntime: {threads: [1, 2]}}."
            ),
        ),
        (
            "search: {engine_flags: {openvino: {threads: {min: 0, max: 8, log: true}}}}",
            (
                "5: search.engine_flags.openvino.threads.min must be above 0 "
                "on a log scale, but got "
                "0. Raise min above 0, or leave log out."
            ),
        ),
        (
            "search: {engine_flags: {openvino: {threads: {min: 1, max: 8, step: 0}}}}",
            (
                "5: search.engine_flags.openvino.threads.step must be above 0, but got 0. "
                "Leave step out for no grid."
            ),
        ),
        # YAML itself.
        (
            "search: {sparsity: !!python/object/apply:os.getcwd []}",
            (
                "5: search.sparsity must be a plain value, not one with the tag "
                "!!python/object/apply:os.getcwd. Leave the tag out."
            ),
        ),
    ],
)
def test_each_problem_is_one_line(problems_of, extra, line):
    assert problems_of(extra)[0] == f"space.yaml:{line}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", "1: version must be given. Write e.g. version: 1."),
        ("version: 2", "1: version must be at most 1, but got 2. Write e.g. version: 1."),
        (
            "version: true",
            "1: version must be a whole number, but got true. Write e.g. version: 1.",
        ),
        (
            "name: a/b",
            (
                "1: name must be up to 64 letters, digits, dots, dashes or "
                "underscores, but got 'a/b'. "
                "Write e.g. name: coral."
            ),
        ),
        ("name: 3", "1: name must be text, but got 3. Write e.g. name: coral."),
        (
            "workload: tiny.py",
            (
                "1: workload must be file.py:Class, package.module:Class or "
                "{onnx: ..., data: ...}, "
                "but got 'tiny.py'. Write e.g. workload: workload.py:MyWorkload."
            ),
        ),
        ("workload: {onnx: m.onnx}", "1: workload.data must be given. Write e.g. data: data.npz."),
        ("workload: {onx: m}", "1: workload.onx is not a key here. Did you mean onnx?"),
        (
            "device: here",
            (
                "1: device must be a mapping of keys, but got 'here'. Its keys are name, "
                "engines, rated_power_w, meter, connect, python, recovery, cpu_model, if_absent."
            ),
        ),
        (
            "device:",
            (
                "1: device must be given. Its keys are name, engines, rated_power_w, meter, "
                "connect, python, recovery, cpu_model, if_absent."
            ),
        ),
        (
            "device: {name: a}",
            "1: device.engines must be given. Write e.g. engines: [onnxruntime].",
        ),
        (
            "device: {engines: []}",
            "1: device.engines must not be empty. Write e.g. engines: [onnxruntime].",
        ),
        (
            "device: {engines: x}",
            "1: device.engines must be a list, but got 'x'. Write e.g. engines: [onnxruntime].",
        ),
        (
            "device: {engines: [3]}",
            "1: device.engines must be text, but got 3. Write e.g. engines: [onnxruntime].",
        ),
        (
            "device: {engines: [x, x]}",
            "1: device.engines must not repeat a name, but got 'x'. Keep one of them.",
        ),
        ("device: {backend: x}", "1: device.backend is not a key here. Write engines: [...]."),
        (
            "device: {rated_power_w: 0}",
            "1: device.rated_power_w must be above 0, but got 0. Write e.g. rated_power_w: 2.0.",
        ),
        (
            "device: {rated_power_w: 2 W}",
            (
                "1: device.rated_power_w must be a number, but got '2 W'. Write e.g. "
                "rated_power_w: 2.0."
            ),
        ),
        (
            "device: {meter: ''}",
            (
                "1: device.meter must be a meter or {command: [program, argument, ...]}, but got "
                "''. Write e.g. meter: rapl."
            ),
        ),
        (
            "device: {meter: {command: wattmeter}}",
            (
                "1: device.meter.command must be a list, but got 'wattmeter'. Write e.g. command: "
                "[read_wall_meter.py, --watts]."
            ),
        ),
        (
            "device: {meter: {command: []}}",
            (
                "1: device.meter.command must not be empty. Write e.g. command: "
                "[read_wall_meter.py, --watts]."
            ),
        ),
        (
            "device: {meter: {comand: [wattmeter]}}",
            "1: device.meter.comand is not a key here. Did you mean command?",
        ),
        (
            "device: {connect: board}",
            (
                "1: device.connect must be local or ssh://user@host[:port], but got 'board'. "
                "Write e.g. connect: local."
            ),
        ),
        (
            "device: {if_absent: skip}",
            (
                "1: device.if_absent must be host-cpu, estimate or fail, but got 'skip'. Use "
                "host-cpu, estimate or fail."
            ),
        ),
    ],
)
def test_each_problem_of_the_first_keys_is_one_line(problems_of, text, line):
    assert f"space.yaml:{line}" in problems_of(text=text)


def test_all_problems_come_in_one_pass_in_the_order_of_the_file(problems_of):
    extra = """\
objectives: [latency_p9_ms, accuracy, accuracy]
constraints: {power_w: {}, accuracy: 3}
search:
  sparsity: {min: 0.9, max: 0.2}
  precision: [int4]
  engine_flags: {litert: {}}
device: again
"""
    found = problems_of(extra, "budget.trials=0", "nothing")
    places = [line.split(" ")[0] + " " + line.split(" ")[1] for line in found]
    assert places == [
        "--set: must",
        "--set: budget.trials",
        "space.yaml:5: objectives",
        "space.yaml:5: objectives",
        "space.yaml:6: constraints.power_w",
        "space.yaml:6: constraints.accuracy",
        "space.yaml:8: search.sparsity.max",
        "space.yaml:9: search.precision",
        "space.yaml:10: search.engine_flags.litert",
        "space.yaml:11: device",
    ]


@pytest.mark.parametrize(("key", "value"), [("sparsity", "0.5"), ("sparsity_pattern", "2:4")])
def test_an_onnx_model_has_nothing_to_prune(problems_of, key, value):
    text = "version: 1\nname: a\nworkload: {onnx: m.onnx, data: d.npz}\n"
    text += f"device: {{name: b, engines: [onnxruntime]}}\nsearch:\n  {key}: {value}\n"
    assert problems_of(text=text) == [
        (
            f"space.yaml:6: search.{key} needs a PyTorch model, and "
            "the workload is an ONNX file. "
            f"Leave {key} out."
        )
    ]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "search.sparsity.max=1.2",
            "--set: search.sparsity.max must be in [0, 1), but got 1.2. Use a fraction, e.g. 0.8.",
        ),
        ("budgt.trials=3", "--set: budgt is not a key here. Did you mean budget?"),
        ("budget.trails=3", "--set: budget.trails is not a key here. Did you mean trials?"),
        (
            "device.engines=",
            "--set: device.engines must be given. Write e.g. engines: [onnxruntime].",
        ),
        (
            "budget",
            "--set: must be KEY=VALUE, but got 'budget'. Write e.g. --set budget.trials=10.",
        ),
    ],
)
def test_a_wrong_override_names_set_instead_of_a_line(problems_of, override, line):
    extra = "search: {sparsity: {min: 0.1, max: 0.5}}"
    assert problems_of(extra, override) == [line]


def test_overrides_change_the_space(load):
    space = load("budget: {trials: 3}\n", "budget.trials=9", "name=other", "search.sparsity=0.5")
    assert (space.budget.trials, space.name) == (9, "other")
    assert space.document["search"] == {"sparsity": 0.5}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "space.yaml: the file must not be empty. Start from one of the files in spaces/."),
        (
            b"# a comment\n",
            "space.yaml: the file must not be empty. Start from one of the files in spaces/.",
        ),
        (
            b"- a\n",
            (
                "space.yaml: the file must be a mapping of keys. Start from one of the files in "
                "spaces/."
            ),
        ),
        (
            b"name: \xff",
            (
                "space.yaml: the file must be UTF-8 text (byte 6: invalid start byte). Save it "
                "as UTF-8."
            ),
        ),
        (
            b"name: [",
            (
                "space.yaml:1: the file must be valid YAML (column 8: while parsing a flow node: "
                "expected the node content, but found '<stream end>'). Check the indentation, "
                "colons, brackets and quotes there."
            ),
        ),
    ],
)
def test_a_file_that_is_no_space_file_says_so(tmp_path, monkeypatch, content, line):
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_bytes(content)
    with pytest.raises(SpaceError, match=r"^space\.yaml:") as caught:
        load_space(Path("space.yaml"))
    assert str(caught.value) == line


def test_a_byte_order_mark_is_no_matter(tmp_path):
    text = (SPACES / "coral.yaml").read_text(encoding="utf-8")
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8-sig")
    assert load_space(path).name == "coral"


def test_a_missing_file_names_the_nearest_one():
    with pytest.raises(
        SpaceError, match=r"spaces/corl\.yaml: the file must exist\. Did you mean coral\.yaml\?$"
    ):
        load_space(SPACES / "corl.yaml")


def test_a_missing_file_in_an_empty_folder(tmp_path):
    with pytest.raises(SpaceError, match=r"a\.yaml: the file must exist\. Check the path\.$"):
        load_space(tmp_path / "a.yaml")


def test_a_folder_is_not_readable(tmp_path):
    with pytest.raises(
        SpaceError,
        match=r": the file must be readable \(Is a directory\)\. Check the path and its perm",
    ):
        load_space(tmp_path)


def test_a_huge_file_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "space.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse: a terabyte of zeros
    with pytest.raises(SpaceError, match=r"must be at most 65536 characters long"):
        load_space(path)


def outcome(path):
    try:
        load_space(path)
    except SpaceError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("share", [number / 40 for number in range(40)])
def test_a_file_cut_anywhere_loads_or_says_what_is_wrong(tmp_path, share):
    text = (SPACES / "coral.yaml").read_text(encoding="utf-8")
    path = tmp_path / "space.yaml"
    cut = text[: int(len(text) * share)]
    path.write_text(cut, encoding="utf-8")
    found = outcome(path)
    assert found or "engines: [edgetpu]" in cut  # the last key that must be given
    assert all(line.startswith(str(path)) for line in found)
