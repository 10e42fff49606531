"""Bad input from the command line: exit code, one clear line, no traceback, nothing lost."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from evaluators.engines.nvidia.cuda import find_gpu

REPOSITORY = Path(__file__).parents[2]
HEAD = """
import numpy as np
from tiny_workload import Tiny
from spaces.workload import Workload
"""


def refuses(done, code, *signs):
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert done.returncode == code, said
    for sign in signs:
        assert sign in said, said


@pytest.mark.parametrize(
    ("changes", "signs"),
    [
        ({"objektives": ["accuracy"]}, ["space.yaml:", "objektives", "objectives"]),
        ({"budget.trials": "many"}, ["space.yaml:", "budget.trials", "many"]),
        ({"search.sparsity": {"min": 0.6, "max": 0.1}}, ["space.yaml:", "search.sparsity"]),
        ({"search.sparsity": 1.2}, ["search.sparsity", "must be", "1.2"]),
        ({"objectives": ["latency_p90"]}, ["latency_p90_ms"]),
        ({"constraints": {"powr_w": {"max": 1}}}, ["powr_w", "power_w"]),
        ({"device": {"name": "a", "engines": ["onnxrun"]}}, ["onnxrun", "onnxruntime"]),
    ],
)
def test_a_space_file_that_is_wrong(tiny_space, run_cli, changes, signs):
    refuses(run_cli("validate", "--space", tiny_space(changes)), 2, *signs)


def test_yaml_that_does_not_parse(tmp_path, run_cli):
    (tmp_path / "space.yaml").write_text("version: 1\nname: [a\nworkload: b\n")
    refuses(run_cli("run", "--space", "space.yaml"), 2, "space.yaml:")
    refuses(run_cli("run", "--space", "nowhere.yaml"), 2, "nowhere.yaml", "must exist")


def test_all_that_engine_workload_and_machine_refuse_is_said_at_once(tiny_space, run_cli):
    changes = {
        "device.rated_power_w": None,
        "search.precision": ["fp32", "bf16"],
        "search.engine_flags.onnxruntime.thread": 1,
        "search.engine_flags.onnxruntime.graph_optimization": "most",
        "search.sparsity": {"stem": 0.5},
        "objectives": ["mean_ap", "power_w"],
        "constraints": {"device_memory_mib": {"max": 3}},
    }
    done = run_cli("run", "--space", tiny_space(changes), "--run", "r")
    refuses(done, 2)
    for place, fault in (
        ("search.precision", "bf16.* It accepts fp32"),
        ("search.engine_flags.onnxruntime.thread", r"Did you mean threads\?"),
        ("graph_optimization", r"'most'.* It accepts disabled, basic, extended, all\."),
        ("search.sparsity.stem", "model's modules"),
        ("objectives", "must be something that is measured.*'mean_ap'"),
        ("constraints.device_memory_mib", "must be something that is measured"),
        ("power_w", "No power meter here"),
    ):
        assert re.search(rf"space\.yaml:\d+: .*{place}.*{fault}", done.stderr), (place, done.stderr)


def test_a_device_that_cannot_be_reached_is_missing(tiny_space, run_cli):
    space = tiny_space({"device.engines": ["ethosu"], "search.engine_flags": None})
    refuses(run_cli("run", "--space", space), 3, "an Ethos-U can't be reached", "estimate to take")


@pytest.mark.skipif(find_gpu() is not None, reason="there is one here")
def test_a_gpu_that_is_not_there_is_missing(tiny_space, run_cli):
    space = tiny_space({"device.engines": ["tensorrt"], "search.engine_flags": None})
    refuses(run_cli("run", "--space", space), 3, "tensorrt needs an NVIDIA GPU", "nvidia-smi")


def test_an_engine_that_is_not_installed_is_missing(tiny_space, run_cli, tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *a: None if name == 'onnxruntime' else found(name, *a)\n"
    )
    done = run_cli("run", "--space", tiny_space(), env={"PYTHONPATH": f"{hidden}:{REPOSITORY}"})
    refuses(done, 3, "onnxruntime needs the Python package onnxruntime", "pip install")


@pytest.mark.parametrize(
    ("args", "sign"),
    [
        (["--set", "search.sparsty=0.5"], "sparsity"),
        (["--until", "25:00"], "--until must be a time of day, but got '25:00'"),
        (["--timeout", "soon"], "--timeout must be a duration"),
        (["--trials", "0"], "--trials"),
        (["--storage", "nosuch://here"], "--storage must be a database"),
    ],
)
def test_options_that_are_wrong(tiny_space, run_cli, args, sign):
    refuses(run_cli("run", "--space", tiny_space(), "--run", "r", *args), 2, sign)


@pytest.mark.parametrize(
    ("code", "sign"),
    [
        (None, "mine.py"),
        ("import nowhere_at_all\n", "nowhere_at_all"),
        (
            "class Mine(Tiny):\n    def score(self, out, goal):\n        return np.nan * goal\n",
            "NaN",
        ),
        (
            "class Mine(Tiny):\n    def test_batches(self):\n        raise KeyError('gone')\n",
            "gone",
        ),
    ],
)
def test_a_workload_that_is_wrong(tiny_space, run_cli, tmp_path, code, sign):
    if code is not None:
        (tmp_path / "mine.py").write_text(HEAD + code)
    done = run_cli("run", "--space", tiny_space({"workload": "mine.py:Mine"}), "--run", "r")
    refuses(done, 2, "error: workload", sign)


def write_onnx(path, op="Relu"):
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.fixture
def onnx_space(tiny_space, tmp_path):
    write_onnx(tmp_path / "model.onnx")
    np.savez(tmp_path / "data.npz", x=np.ones((60, 4), np.float32), targets=np.arange(60) % 4)
    return tiny_space(
        {
            "workload": {"onnx": "model.onnx", "data": "data.npz"},
            "search.sparsity": None,
            "search.distillation": None,
        }
    )


def test_an_onnx_file_that_is_cut_short(onnx_space, run_cli, tmp_path):
    whole = (tmp_path / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(whole[: len(whole) // 2])
    refuses(run_cli("run", "--space", onnx_space, "--run", "r"), 2, "model.onnx")


def test_an_onnx_file_with_an_op_the_engine_lacks(onnx_space, run_cli, tmp_path):
    write_onnx(tmp_path / "model.onnx", op="Frobnicate")
    refuses(run_cli("run", "--space", onnx_space, "--run", "r"), 2, "Frobnicate")


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "link.bin"])
def test_external_data_outside_the_models_folder_is_never_followed(
    onnx_space, run_cli, tmp_path, location
):
    (tmp_path / "link.bin").symlink_to("/etc/passwd")
    model = onnx.load(tmp_path / "model.onnx")
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], np.zeros(4, np.float32))
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    model.graph.initializer.append(weight)
    model.graph.node[0].CopyFrom(helper.make_node("Add", ["x", "w"], ["y"]))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    refuses(run_cli("run", "--space", onnx_space, "--run", "r"), 2, "model.onnx", location)


def test_data_that_would_have_to_be_unpickled(onnx_space, run_cli, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.array([{}] * 60), targets=np.arange(60))
    refuses(run_cli("run", "--space", onnx_space, "--run", "r"), 2, "data.npz")


def test_a_run_folder_that_cannot_be_written(tiny_space, run_cli, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refuses(run_cli("run", "--space", tiny_space(), "--run", "file/r"), 2, "can't be written")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_of_another_run_stays_as_it_is(tiny_space, run_cli, tmp_path):
    space = tiny_space({"budget.trials": 1})
    assert run_cli("run", "--space", space, "--run", "r").returncode == 0
    before = hashlib.sha256((tmp_path / "r" / "front.csv").read_bytes()).hexdigest()
    other = tiny_space({"search.sparsity": 0.25})
    refuses(run_cli("run", "--space", other, "--run", "r"), 2, "--run must be a folder of")
    named = tiny_space({"name": "other"})
    refuses(run_cli("run", "--space", named, "--run", "r"), 2, "--run must be a folder of")
    assert hashlib.sha256((tmp_path / "r" / "front.csv").read_bytes()).hexdigest() == before
    shown = run_cli("front", "--run", "r", "--format", "json")
    assert json.loads(shown.stdout)["points"]


@pytest.mark.parametrize("command", ["front", "report"])
def test_a_folder_without_a_run(run_cli, command):
    refuses(run_cli(command, "--run", "nowhere"), 2, "--run must be the folder of a run")


def test_a_damaged_pointer_and_a_damaged_study(tiny_space, run_cli, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "run.json").write_text("{")
    refuses(run_cli("front", "--run", "r"), 2, "run.json can't be read")
    (tmp_path / "r" / "run.json").write_text('{"study": "tiny"}')
    (tmp_path / "r" / "study.db").write_text("this is no database" * 100)
    refuses(run_cli("front", "--run", "r"), 2, "study.db")


def test_a_comparison_of_what_is_no_run(run_cli):
    refuses(run_cli("compare", "r"), 2, "two runs or more", "1")
    refuses(run_cli("compare", "r", "s"), 2, "r has no run.json")
