"""A table over the whole grid, of numbers that a formula gives: costs and orders are known."""

import numpy as np

from benchmarks.replay_parts.grid import (
    RECONSTRUCTED,
    STARTS,
    TEACHER_OUTPUTS,
    grid_space,
    model_points,
    shape_points,
)
from benchmarks.replay_parts.packed_answers import packed
from benchmarks.replay_parts.table import write_table

CPU_COUNT = 2
SAMPLES = 100
PRUNE_S = 0.5
AFTERWARDS_S = {"export": 2.0, "onnx_int8": 1.0, "openvino_int8": 1.5}
EPOCH_S = 10.0
MEASURING_S = {"compile": 0.5, "benchmark": 2.0, "score": 0.25}
SPEED = {"fp32": 1.0, "bf16": 0.5, "int8": 0.4}


def write_formula_table(path):
    """Reconstruction is worth three epochs; less sparsity and more epochs are more accurate."""
    space = grid_space()
    models = [_model(point) for start in STARTS for point in model_points(space, start)]
    shapes = [_shape(point) for point in shape_points(space, CPU_COUNT)]
    workload = {
        "fingerprint": "formula",
        "metric": "accuracy",
        "direction": "maximize",
        "inputs": {"image": [[1, 3, 32, 32], "float32"]},
        "is_trainable": True,
        "modules": [],
    }
    header = {
        "about": "A formula.",
        "machine": {"cpu_model": "formula", "cpu_count": CPU_COUNT},
        "workload": workload,
        "samples": SAMPLES,
        "reference_metric": 0.95,
    }
    write_table(path, header, {"models": models, "shapes": shapes})
    return path


def _model(point):
    costs = {"prune": PRUNE_S}
    if point.start == RECONSTRUCTED:
        costs |= {"dense_targets": 3.0, "reconstruct": 1.0}
    if point.epochs:
        if point.start == RECONSTRUCTED:
            costs[f"{TEACHER_OUTPUTS}/{point.epochs}"] = 1.5 * point.epochs
        costs["distill"] = EPOCH_S * point.epochs
    costs |= AFTERWARDS_S
    trained = point.epochs + (3 if point.start == RECONSTRUCTED else 0)
    accuracy = 0.95 - 0.8 * point.sparsity / (1 + trained) ** 2
    right = np.arange(SAMPLES) < round(accuracy * SAMPLES)
    names = (
        "onnxruntime/fp32",
        "onnxruntime/int8",
        "openvino/fp32",
        "openvino/bf16",
        "openvino/int8",
    )
    return {
        "point": list(point),
        "costs": {stage: [seconds, 2 * seconds] for stage, seconds in costs.items()},
        "right": {name: packed(right) for name in names},
    }


def _shape(point):
    flags = dict(point.flags)
    left = (1 - point.sparsity) ** 2
    speed = SPEED[point.precision] * (0.9 if flags["threads"] == 2 else 1.0)
    return {
        "point": [*point[:3], [list(flag) for flag in point.flags]],
        "costs": {stage: [3 * seconds, seconds] for stage, seconds in MEASURING_S.items()},
        "latency_p50_s": 0.002 * left * speed,
        "latency_p90_s": 0.0021 * left * speed,
        "peak_memory_bytes": 1e7 * (0.3 + left) * (1.1 if flags["threads"] == 2 else 1.0),
        "model_size_bytes": 4e6 * left,
    }
