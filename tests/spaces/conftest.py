import pytest

from spaces.errors import SpaceError
from spaces.load import load_space

MINIMAL = """\
version: 1
name: tiny
workload: tiny.py:Tiny
device: {name: here, engines: [onnxruntime, openvino]}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a space of four good lines and ``extra`` from line 5 on, as space.yaml."""
    monkeypatch.chdir(tmp_path)

    def load(extra="", *overrides, text=MINIMAL):
        path = tmp_path.relative_to(tmp_path) / "space.yaml"
        path.write_text(text + extra, encoding="utf-8")
        return load_space(path, overrides)

    return load


@pytest.fixture
def problems_of(load):
    """Return the rendered problems of such a space."""

    def problems_of(extra="", *overrides, text=MINIMAL):
        with pytest.raises(SpaceError, match=r"\A(space\.yaml|--set)") as caught:
            load(extra, *overrides, text=text)
        assert str(caught.value) == "\n".join(map(str, caught.value.problems))
        return [str(problem) for problem in caught.value.problems]

    return problems_of
