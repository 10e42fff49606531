import pytest

from spaces.consistency import consistency_faults
from spaces.errors import Fault

ONNX = {"onnx": "m.onnx", "data": "d.npz"}
NEEDS_TORCH = "needs a PyTorch model, and the workload is an ONNX file"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"device": 3, "search": [], "constraints": 3, "objectives": "accuracy"},
        {"device": {"engines": "openvino"}, "search": {"engine_flags": {"litert": {}}}},
        {"device": {"engines": ["openvino"]}, "search": {"engine_flags": ["litert"]}},
        {"workload": ONNX, "search": None},
        {"workload": ONNX, "search": {"sparsity": None, "precision": ["int8"]}},
        {"workload": "w.py:W", "search": {"sparsity": 0.5}},
        {"constraints": {"accuracy": 3}},
    ],
)
def test_what_is_consistent_or_of_the_wrong_type_is_passed_over(data):
    assert list(consistency_faults(data)) == []


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (
            {"objectives": ["accuracy", "power_w", "accuracy"]},
            [(("objectives", 2), "must not repeat a name", "'accuracy'", "Keep one of them.")],
        ),
        (
            {"device": {"engines": ["a", "a"]}},
            [(("device", "engines", 1), "must not repeat a name", "'a'", "Keep one of them.")],
        ),
        (
            {"constraints": {"power_w": {}, "accuracy": {"max_drop": 0.1}}},
            [
                (
                    ("constraints", "power_w"),
                    "must hold a bound",
                    "{}",
                    "Write e.g. power_w: {max_ratio: 1}.",
                )
            ],
        ),
        (
            {
                "device": {"engines": ["openvino"]},
                "search": {"engine_flags": {"openvno": {}, "openvino": {}}},
            },
            [
                (
                    ("search", "engine_flags", "openvno"),
                    "is for an engine that isn't in device.engines ['openvino']",
                    "",
                    "Did you mean openvino?",
                )
            ],
        ),
        (
            {"workload": ONNX, "search": {"sparsity": 0.5, "distillation": {"epochs": 2}}},
            [
                (("search", "sparsity"), NEEDS_TORCH, "", "Leave sparsity out."),
                (("search", "distillation"), NEEDS_TORCH, "", "Leave distillation out."),
            ],
        ),
    ],
)
def test_each_contradiction(data, faults):
    assert list(consistency_faults(data)) == [Fault(*fault) for fault in faults]
