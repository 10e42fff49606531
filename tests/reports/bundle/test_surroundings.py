import pytest

from reports.bundle.facts import bundle_facts
from reports.bundle.surroundings import dockerfile, requirements


def test_requirements_pin_what_was_measured_and_nothing_else(exported):
    facts = bundle_facts(exported)
    lines = requirements(facts).splitlines()
    assert lines[0] == "# The versions that were measured, on Python 3.11.7."
    assert lines[1:] == ["numpy==2.4.1", f"openvino=={facts['runtime']['version']}"]


def test_the_image_has_the_python_and_verifies(exported):
    text = dockerfile(bundle_facts(exported))
    assert "FROM python:3.11-slim\n" in text
    assert text.endswith('ENTRYPOINT ["python", "run.py"]\nCMD ["--verify"]\n')
    assert "libedgetpu" not in text


def test_an_edge_tpu_needs_more_than_python_packages(stand_in):
    assert "libedgetpu" in dockerfile(bundle_facts(stand_in))


@pytest.mark.parametrize(
    ("engine", "flags", "needs_gpu"),
    [
        ("tensorrt", {}, True),
        ("onnxruntime", {"provider": "cuda"}, True),
        ("onnxruntime", {"provider": "tensorrt"}, True),
        ("onnxruntime", {"provider": "cpu"}, False),
        ("openvino", {"provider": "cuda"}, False),
    ],
)
def test_a_gpu_is_handed_to_the_image(exported, engine, flags, needs_gpu):
    facts = {**bundle_facts(exported), "engine": engine, "flags": flags}
    assert ("--gpus all" in dockerfile(facts)) is needs_gpu
    is_tensorrt = needs_gpu and flags != {"provider": "cuda"}
    assert ("TensorRT's libraries" in dockerfile(facts)) is is_tensorrt


def test_cuda_comes_with_the_build_of_onnx_runtime_that_needs_it(exported):
    runtime = {"distribution": "onnxruntime-gpu", "version": "1.31.1"}
    facts = {**bundle_facts(exported), "engine": "onnxruntime", "runtime": runtime}
    on_cuda = requirements({**facts, "flags": {"provider": "cuda"}})
    assert "onnxruntime-gpu[cuda,cudnn]==1.31.1\n" in on_cuda
    assert "onnxruntime-gpu==1.31.1\n" in requirements({**facts, "flags": {"provider": "cpu"}})
