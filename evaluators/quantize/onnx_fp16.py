"""ONNX in float16, weights and arithmetic, with float32 at its inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evaluators.flag import Flag, FlagValue
    from evaluators.quantize import Calibration

SOURCE = "onnx"
SETTINGS: Mapping[str, Flag] = {}


def quantize(
    source: Path,
    calibration: Calibration,  # noqa: ARG001 -- weights need none
    settings: Mapping[str, FlagValue],  # noqa: ARG001 -- every quantizer is called alike
    out_dir: Path,
) -> None:
    """Write ``model.onnx`` into ``out_dir``."""
    import onnx

    from evaluators.quantize.onnx_cast import cast_floats

    model = onnx.load(source / "model.onnx")
    cast_floats(model, onnx.TensorProto.FLOAT16)
    onnx.save(model, out_dir / "model.onnx")
