from __future__ import annotations

import pytest
import torch
from torch import nn

from evaluators.compress.layer_rows import input_rows, output_rows, position_count

LAYERS = {
    "conv1d": (nn.Conv1d(3, 5, 3, stride=2, padding=1), (4, 3, 9)),
    "conv2d": (nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 0)), (4, 3, 9, 8)),
    "conv3d": (nn.Conv3d(2, 4, 2, stride=2), (3, 2, 4, 6, 5)),
    "dilated": (nn.Conv2d(3, 5, 3, dilation=2, padding=2), (2, 3, 7, 7)),
    "same": (nn.Conv2d(3, 5, (3, 5), padding="same"), (2, 3, 7, 7)),
    "circular": (nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"), (2, 3, 6, 6)),
    "linear": (nn.Linear(6, 4), (7, 6)),
    "tokens": (nn.Linear(6, 4), (3, 5, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_rows_times_the_weight_are_the_layers_outputs(name, channels_last):
    layer, shape = LAYERS[name]
    inputs = torch.randn(shape)
    if channels_last and inputs.ndim == 4:
        inputs = inputs.to(memory_format=torch.channels_last)
    with torch.no_grad():
        outputs = layer(inputs)
        count = position_count(layer, outputs)
        positions = torch.randperm(count)[: count // 2 + 1]
        rows = input_rows(layer, inputs, positions)
        answers = rows @ layer.weight.flatten(1).T + layer.bias
    assert rows.shape == (len(positions), layer.weight.flatten(1).shape[1])
    torch.testing.assert_close(answers, output_rows(layer, outputs, positions))
