"""``export`` and ``verify`` as a person uses them, over one real run of two engines.

Where something must come out as verified, latency isn't judged: what else the machine does while
these tests run isn't what they are about.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import search
from evaluators.benchmark.cpus import usable_cpus
from evaluators.device_lock import DeviceLock
from evaluators.devices import recovery
from evaluators.devices.recovery import RecoveryPlan
from evaluators.store_eviction import stored_entries
from reports.bundle import verify
from reports.bundle.write import sums_of
from search.errors import DeviceGone, UsageError
from tests.bare_environment import bare_environment
from tests.sshd import running_sshd, wait_for

onnx = pytest.importorskip("onnx")
for runtime in ("onnxruntime", "openvino"):
    if importlib.util.find_spec(runtime) is None:
        pytest.skip(f"needs {runtime}", allow_module_level=True)

pytestmark = pytest.mark.measures

REPOSITORY = Path(__file__).parents[2]
PIXELS = 48
SPACE = """\
version: 1
name: shipped
workload: {onnx: model.onnx, data: data.npz}
device: {name: here, engines: [onnxruntime, openvino]}
budget: {trials: 2}
measuring: {duration: 0.1s, rounds: 0}
objectives: [latency_p90_ms, peak_memory_mib, accuracy]
search:
  precision: [fp32]
  engine_flags:
    onnxruntime:
      {threads: 2, graph_optimization: all, execution_mode: sequential, spinning: true}
    openvino: {threads: 1, streams: 1, performance_hint: latency}
"""
PROGRAM = """
import numpy as np
from run import Model
with Model() as model:
    print(model.run({"image": np.zeros((2, 3, 48, 48), np.float32)})[0].shape)
"""
ONNXRUNTIME, OPENVINO = 0, 1
"""The trials' numbers: each engine's precision alone, in the order of the space."""


def conv_net(path):
    """Write a net of 64 MMAC, random weights: enough work for a second thread to halve its time."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "image"
    for layer, (into, out) in enumerate([(3, 32), (32, 32), (32, 32), (32, 32)]):
        scale = np.sqrt(2 / (9 * into))
        values = rng.normal(0, scale, (out, into, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{layer}"))
        nodes += [
            helper.make_node("Conv", [last, f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]),
        ]
        last = f"r{layer}"
    head = rng.normal(0, 0.2, (32, 4)).astype(np.float32)
    weights.append(numpy_helper.from_array(head, "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"]),
    ]
    shape = ["batch", 3, PIXELS, PIXELS]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])
    graph = helper.make_graph(nodes, "net", [image], [logits], weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.fixture(scope="module")
def call(search_cache):
    """Return a function that runs a command and returns what it did."""

    def run(*command, cwd=None, **more):
        return subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def cli(call):
    def run(*arguments):
        return call(sys.executable, "-m", "search", *arguments)

    return run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, cli):
    """Return the folder of a run of two trials."""
    folder = tmp_path_factory.mktemp("shipped")
    conv_net(folder / "model.onnx")
    rng = np.random.default_rng(1)
    images = rng.normal(0, 1, (40, 3, PIXELS, PIXELS)).astype(np.float32)
    np.savez(folder / "data.npz", image=images, targets=np.arange(40) % 4)
    (folder / "space.yaml").write_text(SPACE)
    done = cli("run", "--space", folder / "space.yaml", "--run", folder / "run", "--plain")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def bundles(run_dir, cli, tmp_path_factory):
    """Return trial -> bundle, as exported."""
    found = {}
    for trial in (ONNXRUNTIME, OPENVINO):
        out = tmp_path_factory.mktemp("bundles") / "bundle"
        done = cli("export", "--run", run_dir, "--trial", trial, "--out", out)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == str(out)
        found[trial] = out
    return found


@pytest.fixture
def changed(bundles, tmp_path):
    """Return a function that copies a bundle, changes its bundle.json, and signs it again.

    One number is judged, within a third of what was measured.
    """

    def copy(trial=ONNXRUNTIME, judged="peak_memory_mib", **changes):
        folder = tmp_path / "changed"
        shutil.copytree(bundles[trial], folder)
        said = json.loads((folder / "bundle.json").read_text())
        number = said["numbers"][judged]
        number["interval"] = [number["value"] / 1.35, number["value"] * 1.35]
        said |= {"judged": [judged], **changes}
        (folder / "bundle.json").write_text(json.dumps(said))
        (folder / "SHA256SUMS").write_text(sums_of(folder))
        return folder

    return copy


@pytest.mark.parametrize("trial", [ONNXRUNTIME, OPENVINO])
def test_a_bundle_holds_the_measured_bytes_and_verifies(run_dir, bundles, cli, changed, trial):
    said = json.loads((bundles[trial] / "bundle.json").read_text())
    record = search.load(run_dir).records.find(trial).record
    assert said["artifact_sha256"] == record.artifact_sha256
    assert said["judged"][:2] == ["latency_p50_ms", "latency_p90_ms"]
    assert said["check"]["samples"] == 8
    assert said["check"]["equal_bits_in_two_processes"]
    done = cli("verify", changed(trial))
    assert "files: unchanged" in done.stdout, done.stdout + done.stderr
    assert "outputs: equal to the bit on 8 samples" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("verified:")
    assert done.returncode == 0


def test_a_changed_byte_is_refused(bundles, cli, tmp_path):
    folder = shutil.copytree(bundles[OPENVINO], tmp_path / "bundle")
    model = folder / "model/model.blob"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    done = cli("verify", folder)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {folder}: model/model.blob has changed. It isn't the bundle that was exported: "
        "copy or export it again.\n"
    )


@pytest.mark.skipif(len(usable_cpus()) < 2, reason="a thread fewer needs two CPUs")
def test_an_engine_with_a_thread_fewer_has_moved(bundles, cli, changed):
    said = json.loads((bundles[ONNXRUNTIME] / "bundle.json").read_text())
    assert said["flags"]["threads"] == 2
    fewer = {**said["flags"], "threads": 1}
    done = cli("verify", changed(judged="latency_p50_ms", flags=fewer))
    if said["disturbances"] or "Disturbed while measuring" in done.stdout:
        pytest.skip("other work took the second CPU from the engine that has two threads, too")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "outputs: equal to the bit" in done.stdout
    assert re.search(r"^latency_p50_ms .* MOVED: [12]\.\d\dx of", done.stdout, re.MULTILINE)
    assert "NOT VERIFIED: latency_p50_ms moved" in done.stdout


@pytest.fixture(scope="module")
def environments(tmp_path_factory):
    """Return fresh environments by name: with what requirements.txt names, and with NumPy alone."""

    wanted = {"complete": ("numpy", "onnxruntime"), "bare": ("numpy",)}
    return {
        name: bare_environment(tmp_path_factory.mktemp(name), *distributions)
        for name, distributions in wanted.items()
    }


def alone(call, python, folder, *arguments):
    """Run a bundle's run.py without this program in sight."""
    return call(python, folder / "run.py", *arguments, cwd="/", PYTHONPATH="")


def test_a_moved_bundle_runs_in_a_fresh_environment(bundles, environments, call, tmp_path):
    folder = shutil.copytree(bundles[ONNXRUNTIME], tmp_path / "device" / "bundle")
    pinned = (folder / "requirements.txt").read_text()
    assert f"onnxruntime=={metadata.version('onnxruntime')}\n" in pinned
    python = environments["complete"]
    done = alone(call, python, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "outputs: equal to the bit on 8 samples"
    with np.load(folder / "check.npz") as arrays:
        images, logits = arrays["input_0"], arrays["output_0"]
    np.savez(tmp_path / "mine.npz", image=images[:3])
    answers = tmp_path / "answers.npz"
    asked = ("--inputs", tmp_path / "mine.npz", "--outputs", answers)
    assert alone(call, python, folder, *asked).returncode == 0
    with np.load(answers) as arrays:
        assert np.array_equal(arrays["output_0"], logits[:3])
    np.savez(tmp_path / "mine.npz", image=images[:3].astype(np.float64))
    done = alone(call, python, folder, *asked)
    assert done.returncode == 2
    assert "image must be float32 of shape (n, 3, 48, 48), but is float64" in done.stderr
    done = call(python, "-c", PROGRAM, cwd=folder, PYTHONPATH="")
    assert (done.stdout, done.returncode) == ("(2, 4)\n", 0), done.stderr


def test_a_moved_bundle_verifies_itself_in_a_fresh_environment(changed, environments, call):
    folder = changed()
    done = alone(call, environments["complete"], folder, "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "outputs: equal to the bit on 8 samples" in done.stdout
    assert done.stdout.splitlines()[-1] == "verified: it answers, and runs, as it was measured"
    assert not list(folder.rglob("__pycache__"))


def test_a_missing_engine_is_named_with_its_remedy(bundles, environments, call):
    for arguments in ((), ("--verify",)):
        done = alone(call, environments["bare"], bundles[ONNXRUNTIME], *arguments)
        assert done.returncode == 3
        assert done.stderr.startswith(
            "error: onnxruntime needs the Python package onnxruntime. Add what it was measured "
            "with: python -m pip install --requirement "
        )


def test_what_cannot_be_exported_or_verified_is_told(run_dir, bundles, tmp_path):
    with pytest.raises(
        UsageError, match=r"must be a finished trial of the run, .* 0 to 1, but got"
    ):
        search.load(run_dir).export(7, tmp_path / "new")
    with pytest.raises(UsageError, match="--out must be a folder that isn't there yet"):
        search.load(run_dir).export(ONNXRUNTIME, bundles[ONNXRUNTIME])
    with pytest.raises(UsageError, match="--run must be the folder of a run"):
        search.load(tmp_path)
    with pytest.raises(UsageError, match="a bundle must be a folder"):
        search.verify(tmp_path)


def test_a_file_that_the_store_lost_is_built_again(run_dir, bundles, cli, search_cache, tmp_path):
    compiled = [e for e in stored_entries(search_cache / "store") if e.stage == "compile"]
    sha256 = json.loads((bundles[ONNXRUNTIME] / "bundle.json").read_text())["artifact_sha256"]
    for entry in compiled:
        shutil.rmtree(entry.place)
    done = cli("export", "--run", run_dir, "--trial", ONNXRUNTIME, "--out", tmp_path / "again")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "isn't in the store any more, or is damaged: it is built again" in done.stdout
    assert json.loads((tmp_path / "again/bundle.json").read_text())["artifact_sha256"] == sha256


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def verify_there(call, board, environments):
    """Return a function that verifies a bundle on a board; nothing of it may stay there."""

    def run(folder, environment="complete"):
        board_python = ("--python", environments[environment])
        command = (sys.executable, "-m", "search", "verify", folder, "--connect", "ssh://board")
        return call(*command, *board_python, PATH=board.client_path)

    yield run
    wait_for(lambda: not board.processes())
    work = board.cache / "work"
    assert not work.exists() or list(work.iterdir()) == []


def verdict(stdout):
    """Return what was printed but for the numbers of today, and for what else runs today."""
    today = re.compile(r"peak_memory_mib|! Disturbed|! .* is in use by|   ")
    return [line for line in stdout.splitlines() if not today.match(line)]


def test_a_board_with_the_runtime_alone_gives_the_same_verdict(cli, changed, verify_there, board):
    elsewhere = {"machine": "Cortex-A53", "environment": {"cpu_model": "Cortex-A53"}}
    folder = changed(device=elsewhere)
    here, there = cli("verify", folder), verify_there(folder)
    assert there.returncode == here.returncode == 0, there.stdout + there.stderr
    assert verdict(there.stdout) == verdict(here.stdout)
    assert "! It was measured on Cortex-A53, and now on " in there.stdout
    assert "outputs: equal to the bit on 8 samples" in there.stdout
    sent = {path.name for path in (board.cache / "files").iterdir()}
    assert json.loads((folder / "bundle.json").read_text())["artifact_sha256"] in sent


def test_what_moved_on_a_board_is_not_verified(bundles, changed, verify_there):
    numbers = json.loads((bundles[ONNXRUNTIME] / "bundle.json").read_text())["numbers"]
    peak = numbers["peak_memory_mib"]
    narrow = {**peak, "interval": [0.0, peak["value"] / 10]}
    done = verify_there(changed(numbers={**numbers, "peak_memory_mib": narrow}))
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^peak_memory_mib .* MOVED: .*x of", done.stdout, re.MULTILINE)
    assert "NOT VERIFIED: peak_memory_mib moved" in done.stdout


def test_a_board_without_the_runtime_is_told_what_to_add(bundles, environments, verify_there):
    done = verify_there(bundles[ONNXRUNTIME], "bare")
    assert done.returncode == 3
    assert done.stderr == (
        "error: onnxruntime on board needs the Python package onnxruntime. Add what it was "
        f"measured with: {environments['bare']} -m pip install "
        f"onnxruntime=={metadata.version('onnxruntime')}\n"
    )


def test_a_board_that_is_not_known_is_not_talked_to(bundles, board, verify_there):
    known = board.folder / "known_hosts"
    known.write_text("")
    done = verify_there(bundles[ONNXRUNTIME])
    board.trust()
    assert done.returncode == 3
    assert done.stderr.startswith("error: board: its host key isn't among your known hosts")


@pytest.fixture
def strike(board):
    """Return a function that does something to the board once it measures, beside the test."""

    def begin(blow):
        def measures():
            lock = DeviceLock()
            is_held = lock.try_to_take({}) is not None
            lock.release()
            return is_held and any("benchmark.worker" in line for line in board.processes())

        def wait_and_strike():
            wait_for(measures, 60)
            blow()

        strikers.append(threading.Thread(target=wait_and_strike))
        strikers[-1].start()

    strikers = []
    yield begin
    for striker in strikers:
        striker.join()


def test_a_link_that_is_cut_is_opened_again_for_the_verdict(changed, board, verify_there, strike):
    strike(board.cut)
    done = verify_there(changed())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "board went away: board: the link is cut" in done.stdout
    assert "board is back after: reopening." in done.stdout
    assert "outputs: equal to the bit on 8 samples" in done.stdout


def test_a_board_that_stays_away_leaves_no_verdict(
    bundles, board, environments, strike, monkeypatch
):
    monkeypatch.setattr(recovery, "REOPEN_S", 0.5)
    monkeypatch.setattr(verify, "_RECOVERY", RecoveryPlan(wait_s=0.5))
    monkeypatch.setenv("PATH", board.client_path)
    strike(board.stop)
    python = str(environments["complete"])
    with pytest.raises(
        DeviceGone, match=r"board doesn't come back: .* Verify it again once that is mended"
    ):
        search.verify(bundles[ONNXRUNTIME], connect="ssh://board", python=python)
    board.start()


def test_a_damaged_bundle_goes_to_no_board(bundles, verify_there, tmp_path):
    folder = shutil.copytree(bundles[ONNXRUNTIME], tmp_path / "bundle")
    (folder / "check.npz").write_bytes(b"")
    done = verify_there(folder, "bare")  # which would be missing the engine
    assert done.returncode == 2
    assert "check.npz has changed" in done.stderr
