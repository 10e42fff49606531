import platform

import pytest

from evaluators import recipe
from evaluators.recipe import code_digest, tool_versions, worker_digest


def test_tool_versions_name_python_and_what_is_absent():
    found = tool_versions("numpy", "no-such-package-here")
    assert found["no-such-package-here"] == "absent"
    assert found["numpy"][0].isdigit()
    assert platform.python_version().startswith(found["python"] + ".")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that writes modules of ours, and one that digests one of them."""
    monkeypatch.setattr(recipe, "_ROOT", tmp_path)

    def write(name, text):
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        code_digest.cache_clear()
        worker_digest.cache_clear()

    yield write
    code_digest.cache_clear()
    worker_digest.cache_clear()


def test_what_a_module_imports_of_ours_counts_at_any_distance(program):
    program("evaluators.prune", "def f():\n    from spaces.workload import x\n")
    program("spaces.workload", "from spaces import precision\nx = 1\n")
    program("spaces.precision", "is_fast = True\n")
    before = code_digest("evaluators.prune")
    program("spaces.precision", "is_fast = False\n")
    assert code_digest("evaluators.prune") != before


def test_modules_that_it_does_not_import_do_not_count(program):
    program("evaluators.prune", "import numpy\n")
    program("evaluators.export", "a = 1\n")
    before = code_digest("evaluators.prune")
    program("evaluators.export", "a = 2\n")
    assert code_digest("evaluators.prune") == before


def test_all_of_a_package_counts(program):
    program("evaluators.engines.__init__", "")
    program("evaluators.engines.tflite.graph", "a = 1\n")
    before = code_digest("evaluators.engines")
    program("evaluators.engines.tflite.graph", "a = 2\n")
    assert code_digest("evaluators.engines") != before


def test_comments_and_layout_do_not_count(program):
    program("evaluators.prune", "a = 1\n")
    before = code_digest("evaluators.prune"), worker_digest("evaluators.prune")
    program("evaluators.prune", "# why\na  =  1  # because\n\n")
    assert (code_digest("evaluators.prune"), worker_digest("evaluators.prune")) == before


def test_modules_that_import_one_another_end(program):
    program("evaluators.a", "import evaluators.b\n")
    program("evaluators.b", "import evaluators.a\n")
    assert code_digest("evaluators.a") == code_digest("evaluators.b")


def test_a_worker_counts_alone(program):
    program("evaluators.worker", "import evaluators.prune\n")
    program("evaluators.prune", "a = 1\n")
    before = worker_digest("evaluators.worker")
    program("evaluators.prune", "a = 2\n")
    assert worker_digest("evaluators.worker") == before
    program("evaluators.worker", "import evaluators.prune\nb = 1\n")
    assert worker_digest("evaluators.worker") != before


def test_a_module_that_is_not_there_is_not_digested_as_nothing():
    with pytest.raises(ModuleNotFoundError, match=r"evaluators\.gone must be a module"):
        code_digest("evaluators.gone")


def test_the_real_compress_stage_reaches_what_training_depends_on():
    reached = {path.as_posix() for path in recipe.files_reached("evaluators.compress")}
    for name in ("spaces/training_precision.py", "spaces/workload.py", "evaluators/failures.py"):
        assert any(path.endswith(name) for path in reached)
    assert not any(path.endswith("evaluators/store.py") for path in reached)
