"""From a portable float model to a lower precision, one form a file.

A *form* is a portable format at a precision: ``onnx`` and ``tflite`` are what ``evaluators.export``
writes; every other form is a module here with

- ``SOURCE``: the form it starts from;
- ``SETTINGS``: name -> `evaluators.flag.Flag`, what may vary;
- ``quantize(source, calibration, settings, out_dir)``: read the model in folder ``source``, write
  the quantized one into ``out_dir``, which is empty. ``calibration`` is a sequence of batches of
  the model's own batch size, each a list of arrays in the order of the model's inputs.

Heavy packages are imported inside ``quantize``, because the parent reads ``SETTINGS``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from evaluators.flag import Flag, FlagValue

EXPORTED_FORMS = ("onnx", "tflite")
Calibration = Sequence[Sequence["np.ndarray"]]


class Quantizer(Protocol):
    """What every module in this folder looks like."""

    SOURCE: str
    SETTINGS: Mapping[str, Flag]

    def quantize(
        self,
        source: Path,
        calibration: Calibration,
        settings: Mapping[str, FlagValue],
        out_dir: Path,
    ) -> None:
        """Write the quantized model into ``out_dir``."""


def source_of(form: str) -> str:
    """Return the exported form that a form starts from: itself, where it is written as it is."""
    return form if form in EXPORTED_FORMS else load_quantizer(form).SOURCE


def settings_of(form: str) -> Mapping[str, Flag]:
    """Return what may vary where a form is made; nothing where it is written as it is."""
    return {} if form in EXPORTED_FORMS else load_quantizer(form).SETTINGS


def load_quantizer(form: str) -> Quantizer:
    """Import the module that makes ``form``."""
    return cast(Quantizer, importlib.import_module(f"evaluators.quantize.{form}"))
