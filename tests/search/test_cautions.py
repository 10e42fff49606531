from types import SimpleNamespace

import pytest

from evaluators.engines import load_engine
from search.cautions import cautions

SEARCH = "search:\n  sparsity: 0\n"
SAID = (
    "onnxruntime: sums of int8 overflow on this machine's CPU, which has no VNNI, and that costs "
    "accuracy. Smaller weights don't: add `quantization: {weight_bits: [8, 7]}` to search."
)


@pytest.fixture
def said(space_of):
    """Return a function that says what is cautioned against with some lines of a search."""

    def find(vnni, search="", engines="onnxruntime, openvino"):
        space = space_of(SEARCH + search, engines)
        loaded = {name: load_engine(name) for name in space.device.engines}
        return cautions(space, loaded, SimpleNamespace(environment={"vnni": vnni}))

    return find


def test_weights_of_eight_bits_overflow_without_vnni(said):
    assert said(vnni=False) == [SAID]
    assert said(vnni=False, search="  precision: [fp32, int8]\n") == [SAID]
    assert said(vnni=False, search="  quantization: {weight_bits: 8}\n") == [SAID]


@pytest.mark.parametrize("vnni", [True, None])
def test_nothing_overflows_with_vnni_or_on_arm(said, vnni):
    assert said(vnni) == []


@pytest.mark.parametrize("bits", ["7", "[8, 7]"])
def test_who_allows_seven_bits_knows(said, bits):
    assert said(vnni=False, search=f"  quantization: {{weight_bits: {bits}}}\n") == []


def test_what_is_not_quantized_by_onnx_runtime_does_not_overflow(said):
    assert said(vnni=False, search="  precision: [fp32]\n") == []
    assert said(vnni=False, engines="openvino") == []
