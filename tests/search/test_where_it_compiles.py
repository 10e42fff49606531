"""Where models are compiled when the device is a board: real searches over a real sshd.

Only what no machine here has is a stand-in: Google's compiler and library, NVIDIA's driver and
TensorRT. The board's ``PATH`` and Python have what a board would have, and no more.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evaluators.engines import load_engine
from search.run_directory import RunDirectory
from tests.bare_environment import bare_environment
from tests.evaluators.engines.standin_edgetpu_compiler import SUCCESS, calls, install
from tests.evaluators.engines.standin_libraries import CUDA, build, build_edgetpu
from tests.search.runs import front_json
from tests.sshd import interpreter_with, running_sshd

pytest.importorskip("ai_edge_litert")


@pytest.fixture
def board(tmp_path):
    with running_sshd(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def place(tmp_path):
    """Return an empty folder of the board, for libraries and modules."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def search(run_cli, tiny_space, board, tmp_path):
    """Return a function that runs one trial on the board: its record, the front's point, the text.

    The file that was measured must have been there.
    """

    def run(engine, python, changes=None, **keys):
        there = {"name": "there", "engines": [engine], "connect": "ssh://board", **keys}
        written = {
            "device": {**there, "python": str(python)},
            "search.precision": ["int8"],
            "search.distillation": None,
            "search.engine_flags": None,
            "budget.trials": 1,
        }
        space = tiny_space({**written, **(changes or {})})
        env = {"PATH": board.client_path}
        done = run_cli("run", "--space", space, "--run", "run", "--plain", env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        (trial,) = RunDirectory(tmp_path / "run").load().trials
        (point,) = front_json(run_cli, "run")["points"]
        assert (board.cache / "files" / trial.record.artifact_sha256).is_file()
        return trial.record, point, done.stdout

    return run


@pytest.mark.parametrize("has_device", [True, False])
def test_for_an_edge_tpu_it_compiles_here_and_runs_there(
    search, place, tmp_path, monkeypatch, has_device
):
    (tmp_path / "bin").mkdir()
    program = install(monkeypatch, tmp_path / "bin", SUCCESS)  # the board was started without it
    build_edgetpu(place / "libedgetpu.so.1", place / "destroyed", has_device=has_device)
    record, point, printed = search("edgetpu", interpreter_with(place), if_absent="host-cpu")
    assert len(calls(program)) == 1
    provenance = point["provenance"]["latency_p90_ms"]
    if has_device:
        assert provenance == "measured"
        assert Path(record.artifact).name == "model_edgetpu.tflite"
        assert (place / "destroyed").read_text()
    else:
        assert provenance.startswith("measured: on board's CPU (")
        assert provenance.endswith(" instead of there")
        assert Path(record.artifact).name == "model.tflite"
        assert "edgetpu: no Edge TPU answers through libedgetpu.so.1" in printed
    assert record.notes == ["Compiled by edgetpu_compiler 16.0.384591198."]


def test_for_an_ethos_u_vela_runs_here_and_a_board_without_it_answers(search, tmp_path):
    pytest.importorskip("ethosu.vela")
    record, point, _ = search(
        "ethosu",
        bare_environment(tmp_path / "bare", "numpy", "ai-edge-litert"),
        {"objectives": ["latency_p90_ms", "ethosu_sram_mib", "accuracy"]},
        if_absent="estimate",
    )
    assert Path(record.artifact).name == "model_vela.tflite"
    assert point["provenance"]["latency_p90_ms"] == "estimated: vela"
    assert point["provenance"]["accuracy"].startswith("measured: on board's CPU (")
    assert point["values"]["ethosu_sram_mib"] > 0


@pytest.mark.long
def test_for_tensorrt_it_compiles_where_the_gpu_is(search, place):
    pytest.importorskip("onnxruntime")
    from tests.evaluators.engines.nvidia import standin_tensorrt

    if load_engine("tensorrt").missing() is None:
        pytest.skip("this machine has a GPU of its own, which could compile, too")
    build(CUDA, place / "libcuda.so.1")
    shutil.copyfile(standin_tensorrt.__file__, place / "tensorrt.py")
    flags = {"workspace_mib": 0, "tf32": False, "cuda_graph": False, "streams": 1, "dla_core": -1}
    record, point, printed = search(
        "tensorrt",
        interpreter_with(place),
        {
            "search.precision": ["fp32"],
            "objectives": ["latency_p90_ms", "device_memory_mib", "accuracy"],
            # Level 5 is one of the board's TensorRT, and none of TensorRT for RTX, as it is here.
            "search.engine_flags": {"tensorrt": {**flags, "optimization_level": 5}},
        },
    )
    assert Path(record.artifact).read_bytes().startswith(standin_tensorrt.MARK)
    assert point["provenance"]["latency_p90_ms"] == "measured"
    assert point["provenance"]["device_memory_mib"] == "measured"
    assert point["values"]["accuracy"] > 0.5
    assert " with Orin" in printed
