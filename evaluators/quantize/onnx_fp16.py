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
    from onnx import TensorProto

    from evaluators.quantize.onnx_cast import write_cast

    write_cast(source, TensorProto.FLOAT16, out_dir)
