import sys
from pathlib import Path

import pytest

from benchmarks.live_parts.olive_search import OliveModel, artifacts_of, fastest, search
from benchmarks.live_parts.setting import Setting

THREADS = {"intra_op_num_threads": 1, "graph_optimization_level": 1, "execution_mode": 0}


def _model(latency_ms, accuracy):
    return OliveModel(Path("model.onnx"), THREADS, accuracy, latency_ms)


def test_the_fastest_are_of_those_whose_accuracy_hardly_drops():
    models = [_model(0.3, 0.90), _model(0.6, 0.94), _model(0.5, 0.93), _model(0.7, 0.95)]
    best = fastest(models, reference_metric=0.94, count=2)
    assert [model.latency_p90_ms for model in best] == [0.5, 0.6]


def test_a_python_without_olive_is_told_with_its_last_words(tmp_path):
    setting = Setting(tmp_path, seconds=1, seed=0, overrides=())
    with pytest.raises(RuntimeError, match="Olive failed: ModuleNotFoundError: No module named"):
        search(setting, Path(sys.executable), classes=10)


def test_a_search_in_which_every_model_failed_says_why(tmp_path):
    log = "[ERROR] Step 1 ... FAILED.\nTraceback:\nModuleNotFoundError: No module named 'psutil'\n"
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"#!{sys.executable}\nimport sys\nprint({log!r})\nopen(sys.argv[3], 'w').write('[]')\n"
    )
    stand_in.chmod(0o755)
    setting = Setting(tmp_path, seconds=1, seed=0, overrides=())
    with pytest.raises(
        RuntimeError, match=r"evaluated no model\. ModuleNotFoundError: .*'psutil'$"
    ):
        search(setting, stand_in, classes=10)


def test_a_file_that_onnx_runtime_cannot_load_is_left_out(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    models = [OliveModel(broken, THREADS, 0.94, 0.5)]
    assert artifacts_of(models, tmp_path / "finals", tmp_path / "inputs.npy") == []
