"""The child that owns torch and the converters: writes a net in a portable form.

Run as ``python -m benchmarks.fidelity_parts.portable``; it answers requests as
`evaluators.service` says.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchmarks.fidelity_parts.artifacts import Net
from evaluators.framing import Message
from evaluators.quantize import EXPORTED_FORMS, load_quantizer
from evaluators.service import Answer, serve

_CLASSES = 10


def handle(message: Message) -> Answer:
    """Write one form of one net into ``folder/form``, and the form it starts from."""
    body = message.body
    _write(Net(**body["net"]), body["form"], Path(body["folder"]))
    return {}, []


def _write(net: Net, form: str, folder: Path) -> None:
    if (folder / form).exists():
        return
    if form in EXPORTED_FORMS:
        (folder / form).mkdir()
        _export(net, form, folder / form)
        return
    quantizer = load_quantizer(form)
    _write(net, quantizer.SOURCE, folder)
    settings = {name: flag.default for name, flag in quantizer.SETTINGS.items()}
    calibration = [[image[None]] for image in net.images()]
    (folder / form).mkdir()
    quantizer.quantize(folder / quantizer.SOURCE, calibration, settings, folder / form)


def _export(net: Net, form: str, out_dir: Path) -> None:
    example = {"image": net.images()[:1]}
    if form == "onnx":
        from evaluators.export.onnx_from_torch import export_onnx

        export_onnx(_module(net), example, out_dir)
    else:
        from evaluators.export.tflite_from_torch import export_tflite

        export_tflite(_module(net), example, out_dir)


def _module(net: Net) -> nn.Module:
    """Return the net in PyTorch, its signal neither growing nor vanishing with depth."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels in [3] + [net.width] * net.blocks:
        convolution = nn.Conv2d(channels, net.width, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers += [convolution, nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(net.width, _CLASSES)]
    return nn.Sequential(*layers, *head).eval()


if __name__ == "__main__":
    serve(handle)
