"""Float TFLite -> weights in fp16, which the runtime turns back to fp32 when it loads them.

It halves the file, not the time or the memory: XNNPACK computes in fp32 unless the CPU has half
arithmetic and the runtime was built to use it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evaluators.engines.tflite.session import IO_FILE, MODEL_FILE
from evaluators.flag import Flag, FlagValue
from evaluators.quantize import Calibration

SOURCE = "tflite"
SETTINGS: Mapping[str, Flag] = {}


def quantize(
    source: Path,
    calibration: Calibration,  # noqa: ARG001 -- weights need none
    settings: Mapping[str, FlagValue],  # noqa: ARG001 -- every quantizer is called alike
    out_dir: Path,
) -> None:
    """Write ``model.tflite``, its buffers inside the flatbuffer, and ``io.json``."""
    from ai_edge_litert.tools import flatbuffer_utils
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    tool = quantizer.Quantizer((source / MODEL_FILE).read_bytes())
    tool.add_weight_only_config(
        ".*", qtyping.TFLOperationName.ALL_SUPPORTED, 16, algorithm_key=AlgorithmName.FLOAT_CASTING
    )
    result = tool.quantize(enable_progress_report=False)
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(result.quantized_model))
    for buffer in model.buffers:
        if buffer.data is not None:  # as an array it is packed at once, not byte by byte
            buffer.data = np.frombuffer(buffer.data, np.uint8)
    (out_dir / MODEL_FILE).write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    shutil.copyfile(source / IO_FILE, out_dir / IO_FILE)
