from __future__ import annotations

import sys
import textwrap

import numpy as np
import pytest

from spaces.load_workload import fingerprint, load_workload
from spaces.onnx_workload import OnnxWorkload
from spaces.workload import WorkloadError

SOURCE = """
import numpy as np
from torch import nn
from spaces.workload import Workload
{extra}

class Signs(Workload):
    def model(self):
        return nn.Linear(3, 2)

    def example_inputs(self):
        return {{"x": np.zeros((1, 3), np.float32)}}

    def train_batches(self):
        order = self.rng.permutation(20)
        return [({{"x": np.eye(20, 3, dtype=np.float32)[order]}}, np.arange(20)[order] % 2)]

    def calibration_batches(self):
        return [({{"x": np.ones((4, 3), np.float32)}}, np.array([0, 1, 0, 1]))]

    def validation_batches(self):
        return [({{"x": np.full((4, 3), {value}, np.float32)}}, np.array([0, 1, 0, 1]))]

    def test_batches(self):
        return [({{"x": np.full((4, 3), 3, np.float32)}}, np.array([0, 1, 0, 1]))]

    def score(self, outputs, targets):
        return outputs[0].argmax(1) == targets
"""


def write(path, *, extra="", value=2):
    path.write_text(SOURCE.format(extra=extra, value=value))
    return path


@pytest.fixture(autouse=True)
def _clean_import_state(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("workload_", "beside", "mypackage")):
            del sys.modules[name]


def load(reference, folder):
    return load_workload(reference, folder, folder / "cache")


def test_a_file_beside_the_space_is_loaded_with_its_siblings(tmp_path):
    (tmp_path / "beside.py").write_text("ANSWER = 42")
    write(tmp_path / "signs.py", extra="import beside")
    workload = load("signs.py:Signs", tmp_path)
    assert type(workload).__name__ == "Signs"
    assert workload.cache_dir == tmp_path / "cache"
    assert sys.modules["beside"].ANSWER == 42


def test_a_module_on_the_path_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "__init__.py").write_text("")
    write(tmp_path / "mypackage" / "signs.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type(load("mypackage.signs:Signs", tmp_path)).__module__ == "mypackage.signs"


@pytest.mark.parametrize(
    "reference", ["signs.py", ":Signs", "signs.py:", "signs.py:not a name", ""]
)
def test_a_malformed_reference_is_refused(tmp_path, reference):
    with pytest.raises(WorkloadError, match=r"must be FILE\.py:Class or package.module:Class"):
        load(reference, tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WorkloadError, match=r"there is no .*/away\.py"):
        load("away.py:Signs", tmp_path)


def test_a_missing_module_is_named(tmp_path):
    with pytest.raises(WorkloadError, match="there is no mypackage9"):
        load("mypackage9.signs:Signs", tmp_path)


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ("x = = 1", r"signs\.py:5: .* raised SyntaxError"),
        ("import no_such_thing", r"signs\.py:5: .* No module named 'no_such_thing'"),
        ("1 / 0", r"signs\.py:5: .* raised ZeroDivisionError"),
        ("raise SystemExit(3)", r"signs\.py:5: .* raised SystemExit: 3"),
    ],
)
def test_code_that_fails_on_import_is_blamed_by_file_and_line(tmp_path, extra, fault):
    write(tmp_path / "signs.py", extra=extra)
    with pytest.raises(WorkloadError, match=fault):
        load("signs.py:Signs", tmp_path)


def test_the_fault_of_a_sibling_is_blamed_on_the_sibling(tmp_path):
    (tmp_path / "beside.py").write_text("\n\nint('x')")
    write(tmp_path / "signs.py", extra="import beside")
    with pytest.raises(WorkloadError, match=r"beside\.py:3: .* raised ValueError"):
        load("signs.py:Signs", tmp_path)


def test_the_nearest_class_is_suggested(tmp_path):
    write(tmp_path / "signs.py")
    with pytest.raises(WorkloadError, match=r"has no Sings\. Did you mean Signs"):
        load("signs.py:Sings", tmp_path)


def test_a_class_that_is_no_workload_is_refused(tmp_path):
    write(tmp_path / "signs.py", extra="class Other: pass")
    with pytest.raises(WorkloadError, match="Other must be a subclass of"):
        load("signs.py:Other", tmp_path)


def test_all_missing_methods_are_named(tmp_path):
    (tmp_path / "half.py").write_text(
        textwrap.dedent("""
        from spaces.workload import Workload

        class Half(Workload):
            def example_inputs(self):
                return {}
        """)
    )
    lacking = "calibration_batches, model, score, test_batches, train_batches, validation_batches"
    with pytest.raises(WorkloadError, match=rf"half\.py:4: Half .* lacks {lacking}\."):
        load("half.py:Half", tmp_path)


def test_a_constructor_that_raises_is_blamed(tmp_path):
    write(tmp_path / "signs.py")
    with (tmp_path / "signs.py").open("a") as file:
        file.write("    def __init__(self):\n        raise KeyError('boom')\n")
    with pytest.raises(WorkloadError, match=r"signs\.py:\d+: Signs\(\) .* KeyError: 'boom'"):
        load("signs.py:Signs", tmp_path)


def test_an_onnx_model_with_its_data_is_a_workload(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"bytes")
    np.savez(tmp_path / "data.npz", x=np.zeros((20, 3), np.float32), targets=np.arange(20) % 2)
    workload = load({"onnx": "model.onnx", "data": "data.npz"}, tmp_path)
    assert isinstance(workload, OnnxWorkload)
    before = fingerprint(workload)
    (tmp_path / "model.onnx").write_bytes(b"other")
    assert fingerprint(workload) != before


def test_an_onnx_workload_with_other_keys_is_refused(tmp_path):
    with pytest.raises(WorkloadError, match="has the keys model, onnx"):
        load({"onnx": "model.onnx", "model": "x"}, tmp_path)


def test_the_fingerprint_is_the_same_for_the_same_files(tmp_path):
    write(tmp_path / "signs.py")
    first = fingerprint(load("signs.py:Signs", tmp_path))
    assert first == fingerprint(load("signs.py:Signs", tmp_path))
    assert len(first) == 64


@pytest.mark.parametrize("change", [{"value": 5}, {"extra": "# a comment"}])
def test_the_fingerprint_changes_with_the_code(tmp_path, change):
    before = fingerprint(load(f"{write(tmp_path / 'signs.py').name}:Signs", tmp_path))
    write(tmp_path / "signs.py", **change)
    assert fingerprint(load("signs.py:Signs", tmp_path)) != before


def test_the_fingerprint_changes_with_a_siblings_code(tmp_path):
    (tmp_path / "beside.py").write_text("A = 1")
    write(tmp_path / "signs.py", extra="import beside")
    before = fingerprint(load("signs.py:Signs", tmp_path))
    (tmp_path / "beside.py").write_text("A = 2")
    assert fingerprint(load("signs.py:Signs", tmp_path)) != before


@pytest.mark.parametrize("split", ["calibration", "validation", "test", "train"])
def test_the_fingerprint_changes_with_each_splits_data(tmp_path, split):
    write(tmp_path / "signs.py")
    workload = load("signs.py:Signs", tmp_path)
    before = fingerprint(workload)
    count = 20 if split == "train" else 4  # only the values are others
    batches = [({"x": np.full((count, 3), 9, np.float32)}, np.arange(count) % 2)]
    setattr(workload, f"{split}_batches", lambda: batches)
    assert fingerprint(workload) != before


def test_training_data_that_differs_each_time_counts_by_its_shapes(tmp_path):
    write(tmp_path / "signs.py")
    workload = load("signs.py:Signs", tmp_path)
    drawn = np.random.default_rng()
    sizes = [20]

    def batches():
        size = sizes[0]
        return [({"x": drawn.random((size, 3)).astype(np.float32)}, np.zeros(size, np.int64))]

    workload.train_batches = batches
    first = fingerprint(workload)
    assert fingerprint(workload) == first
    sizes[0] = 21
    assert fingerprint(workload) != first


def test_data_that_raises_is_blamed_in_the_fingerprint(tmp_path):
    write(tmp_path / "signs.py", value="1 / 0")
    with pytest.raises(WorkloadError, match=r"signs\.py:\d+: validation_batches\(\)"):
        fingerprint(load("signs.py:Signs", tmp_path))
