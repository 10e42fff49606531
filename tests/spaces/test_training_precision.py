from __future__ import annotations

import torch

from spaces.training_precision import channels_last, training_autocast


def test_bfloat16_is_used_exactly_where_the_cpu_has_it():
    capabilities = torch.cpu.get_capabilities()
    has_bf16 = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    with training_autocast():
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert product.dtype == (torch.bfloat16 if has_bf16 else torch.float32)


def test_only_images_change_their_layout():
    images, signal = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4)
    assert channels_last(images).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(channels_last(images), images)
    assert channels_last(signal) is signal
