"""Float8 (E4M3) for TensorRT: the Q/DQ nodes of symmetric int8, with float8 between them.

Ranges are the same, so that only the scale changes: the largest value is 448 instead of 127.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluators.quantize import onnx_int8_symmetric

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx

    from evaluators.flag import Flag, FlagValue
    from evaluators.quantize import Calibration

SOURCE = "onnx"
SETTINGS: Mapping[str, Flag] = onnx_int8_symmetric.SETTINGS
_LARGEST_INT8, _LARGEST_FLOAT8 = 127, 448


def quantize(
    source: Path, calibration: Calibration, settings: Mapping[str, FlagValue], out_dir: Path
) -> None:
    """Write ``model.onnx`` with float8 weights and activations into ``out_dir``."""
    import onnx

    onnx_int8_symmetric.quantize(source, calibration, settings, out_dir)
    model = onnx_int8_symmetric.with_types(onnx.load(out_dir / "model.onnx"))
    _to_float8(model.graph)
    onnx.save(model, out_dir / "model.onnx")


def _to_float8(graph: onnx.GraphProto) -> None:
    from onnx import TensorProto, numpy_helper

    pairs = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    scales = {node.input[1] for node in pairs}
    zero_points = {node.input[2] for node in pairs}
    for tensor in graph.initializer:
        if tensor.name in scales:
            scale = numpy_helper.to_array(tensor)
            smaller = scale.astype(np.float32) * np.float32(_LARGEST_INT8 / _LARGEST_FLOAT8)
            tensor.CopyFrom(numpy_helper.from_array(smaller.astype(scale.dtype), tensor.name))
        elif tensor.name in zero_points:
            zeros = bytes(int(np.prod(tensor.dims, dtype=int)))
            tensor.ClearField("int32_data")
            tensor.data_type, tensor.raw_data = TensorProto.FLOAT8E4M3FN, zeros
    del graph.value_info[:]
