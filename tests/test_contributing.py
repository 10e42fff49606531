"""The engine that CONTRIBUTING.md walks through is complete: it passes every engine's contract."""

from __future__ import annotations

import importlib.util
import re
import tempfile
from pathlib import Path

import pytest

from evaluators.export.onnx_from_torch import export_onnx
from tests.evaluators.engines.contract import EngineContract, tiny_images, tiny_net
from tests.evaluators.engines.unknown_op import unknown_op_model

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"


def load_example():
    """Import the document's only Python block."""
    (code,) = re.findall(
        r"^```python\n(.*?)^```", CONTRIBUTING.read_text(), re.DOTALL | re.MULTILINE
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.py"
        path.write_text(code)
        spec = importlib.util.spec_from_file_location("reference", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def portable(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portable")
    export_onnx(tiny_net(), {"image": tiny_images(1)}, folder)
    return folder


class TestReference(EngineContract):
    engine = load_example().ENGINE
    tolerance = 1e-5

    @pytest.fixture
    def refused(self, tmp_path_factory):
        return unknown_op_model(tmp_path_factory.mktemp("refused"))
