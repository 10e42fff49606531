"""Int8 for OpenVINO by NNCF's post-training quantization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluators.engines.openvino import import_openvino
from evaluators.flag import Flag, FlagValue
from evaluators.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evaluators.quantize import Calibration

SOURCE = "onnx"
SETTINGS: Mapping[str, Flag] = {
    "preset": Flag(
        ("performance", "mixed"),
        "performance",
        "Symmetric activations, or asymmetric ones where they fit better.",
    ),
}


def quantize(
    source: Path, calibration: Calibration, settings: Mapping[str, FlagValue], out_dir: Path
) -> None:
    """Write ``model.xml`` and ``model.bin`` with quantized weights into ``out_dir``."""
    openvino = import_openvino()
    with quiet():
        import nncf

        model = openvino.Core().read_model(source / "model.onnx")
        names = [each.get_any_name() for each in model.inputs]
        quantized = nncf.quantize(
            model,
            nncf.Dataset([dict(zip(names, batch, strict=True)) for batch in calibration]),
            preset=nncf.QuantizationPreset(settings["preset"]),
            subset_size=len(calibration),
            model_type=nncf.ModelType.TRANSFORMER if _has_attention(model) else None,
        )
        # Left to itself, saving would round what stays in float32 to float16.
        openvino.save_model(quantized, out_dir / "model.xml", compress_to_fp16=False)


def _has_attention(model: Any) -> bool:
    """Say whether a softmax is multiplied with something, or attention is one op.

    NNCF treats transformers differently, and has to be told: a small encoder's error fell from
    21 dB below the signal to 35 dB, and it ran 7 % faster.
    """
    for op in model.get_ops():
        kind = op.get_type_name()
        if kind == "ScaledDotProductAttention":
            return True
        if kind == "Softmax":
            readers = op.output(0).get_target_inputs()
            if any(reader.get_node().get_type_name() == "MatMul" for reader in readers):
                return True
    return False
