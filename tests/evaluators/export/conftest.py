from __future__ import annotations

import pytest


@pytest.fixture
def save(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()

    def write(model):
        path = folder / "given.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return path

    return write


@pytest.fixture
def out_dir(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
