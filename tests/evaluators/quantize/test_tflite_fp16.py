from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from evaluators.engines.litert import ENGINE
from evaluators.quantize import load_quantizer, tflite_fp16
from tests.evaluators.engines.contract import torch_outputs
from tests.evaluators.engines.tflite_models import exported

FLAGS = {"threads": 1, "xnnpack": True}


def test_weights_are_halved_inside_the_flatbuffer(tmp_path):
    model = nn.Linear(512, 512).eval()
    x = np.random.default_rng(0).normal(size=(1, 512)).astype(np.float32)
    source = exported(model, {"x": x})
    tflite_fp16.quantize(source, [], {}, tmp_path)
    content = (tmp_path / "model.tflite").read_bytes()
    assert len(content) < 0.51 * (source / "model.tflite").stat().st_size
    assert all(b.offset == 0 for b in schema.ModelT.InitFromPackedBuf(content, 0).buffers)
    with ENGINE.open(tmp_path, "model.tflite", "fp16", FLAGS) as session:
        (ours,) = session.decode(session.infer(session.prepare([x])))
    np.testing.assert_allclose(ours, torch_outputs(model, x)[0], atol=5e-3)
    assert not np.array_equal(ours, torch_outputs(model, x)[0])


def test_is_a_form_made_from_what_export_writes():
    quantizer = load_quantizer("tflite_fp16")
    assert quantizer.SOURCE == "tflite"
    assert dict(quantizer.SETTINGS) == {}
