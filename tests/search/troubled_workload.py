"""Workloads that crash, hang and eat memory: while they are fine-tuned, or in the engine.

Copied beside tiny_workload.py by test_trouble.py.
"""

import ctypes
import time

import torch
from tiny_workload import Tiny, net
from torch import nn

FAR = 2.0**30


class Training(Tiny):
    """Fine until what was pruned is fine-tuned."""

    def finetune(self, student, teacher, **_settings):
        if student[0].out_channels < teacher[0].out_channels:
            self.trouble()


class TrainingCrashes(Training):
    def trouble(self):
        ctypes.string_at(0)


class TrainingHangs(Training):
    def trouble(self):
        time.sleep(3600)


class TrainingHoards(Training):
    def trouble(self):
        hoard = []
        while True:
            hoard.append(bytearray(2**26))


def read_far_outside(image):
    """Index with numbers that are known only at run time: torch checks them, OpenVINO doesn't."""
    far = (image.flatten() * 0 + FAR).long()
    return image[:, :, far, far].sum()


def never_end(image):
    total = image.abs().sum()
    return torch.while_loop(lambda t: t >= 0, lambda t: (t.clone() / 2,), (total,))[0]


def fill_memory(image):
    """Make two tensors of 4 GiB each."""
    return image.flatten()[:, None].expand(64, 2**24).relu().sum()


TROUBLE_BY_WIDTH = {8: read_far_outside, 4: fill_memory, 12: never_end}


class Net(nn.Module):
    """Fine wherever torch runs it; once it is pruned, what is exported holds trouble as well."""

    def __init__(self):
        super().__init__()
        self.body = net()

    def forward(self, image):
        logits = self.body(image)
        width = self.body[0].out_channels
        if width in TROUBLE_BY_WIDTH and torch.compiler.is_exporting():
            return logits + TROUBLE_BY_WIDTH[width](image)
        return logits


class Engine(Tiny):
    def model(self):
        return self.trained(Net, self.fit)
