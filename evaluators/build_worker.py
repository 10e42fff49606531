"""The long-lived child that owns torch and the converters: compress, distill, export, ...

It lives as long as the run, because importing torch and the TFLite converter costs more than most
of what they then do. It holds the person's workload, which is their code: that is why it's a child.

Run as ``python -m evaluators.build_worker``; every request names its workload, so a worker that
crashed is replaced by a new one without a word.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.failures import InputError
from evaluators.framing import Message
from evaluators.quantize import load_quantizer
from evaluators.scoring import figures_of
from evaluators.service import Answer, serve
from spaces.check_workload import check_workload, checked_scores
from spaces.load_workload import fingerprint, load_workload
from spaces.onnx_workload import OnnxWorkload
from spaces.persons_code import persons_code
from spaces.workload import Array, Inputs, Workload, WorkloadError
from spaces.workload_notes import workload_notes

if TYPE_CHECKING:
    import torch

    from evaluators.compress.dense_targets import DenseTargets

MODEL_FILE = "model.pt"


def handle(message: Message) -> Answer:
    """Answer one request; `_STAGES` lists the kinds."""
    body = message.body
    try:
        workload = _workload(json.dumps(body["workload"]), body["folder"], body["cache_dir"])
        return _STAGES[body["kind"]](workload, message)
    except WorkloadError as error:
        raise InputError(str(error)) from error


@cache
def _workload(reference: str, folder: str, cache_dir: str) -> Workload:
    return load_workload(json.loads(reference), Path(folder), Path(cache_dir))


def _describe(workload: Workload, _message: Message) -> Answer:
    """Check the workload, and say what the parent has to know without importing it."""
    check_workload(workload)
    example = workload.example_inputs()
    is_trainable = not isinstance(workload, OnnxWorkload)
    if isinstance(workload, OnnxWorkload):
        from evaluators.export.onnx_check import check_onnx_data

        check_onnx_data(workload.onnx_path, example)
        inputs, targets = next(iter(workload.validation_batches()))
        checked_scores(workload, workload.reference_outputs(list(inputs.values())), targets)
    return {
        "fingerprint": _fingerprint(workload),
        "metric": workload.metric,
        "direction": workload.direction,
        "inputs": {name: [list(a.shape), str(a.dtype)] for name, a in example.items()},
        "is_trainable": is_trainable,
        "modules": [name for name, _ in _teacher(workload).named_modules()] if is_trainable else [],
    }, []


def _fingerprint(workload: Workload) -> str:
    """Return a hash of code, data and the trained weights, which code may load from anywhere."""
    digest = hashlib.sha256(fingerprint(workload).encode())
    if not isinstance(workload, OnnxWorkload):
        for name, value in _teacher(workload).state_dict().items():
            array = value.detach().cpu().numpy()
            digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _data(workload: Workload, message: Message) -> Answer:
    """Write a split's inputs where the measuring processes find them, one .npy an input."""
    split = message.body["split"]
    inputs, targets = _split_arrays(workload, split)
    names = []
    for position, array in enumerate(inputs):
        names.append(f"{position}.npy")
        np.save(Path(message.body["out_dir"]) / names[-1], array, allow_pickle=False)
    return {"files": names, "samples": len(targets)}, []


def _reference(workload: Workload, message: Message) -> Answer:
    """Score the model as it was given, in float32 on this host."""
    inputs, targets = _split_arrays(workload, message.body["split"])
    if isinstance(workload, OnnxWorkload):
        outputs = workload.reference_outputs(inputs)
    else:
        outputs = _torch_outputs(_teacher(workload), inputs)
    return {}, figures_of(workload, outputs, targets)


def _compress(workload: Workload, message: Message) -> Answer:
    """Prune, reconstruct and impose a pattern; the result is written as data, not as code."""
    from evaluators.compress.compress import compress
    from evaluators.compress.prune import save_compressed

    body = message.body
    student, facts = compress(
        _teacher(workload),
        _example(workload, body),
        lambda: _targets(workload, body["seed"]),
        sparsity=body["sparsity"],
        has_pattern=body["has_pattern"],
        importance=body["importance"],
        round_to=body["round_to"],
    )
    save_compressed(student, Path(body["out_dir"]) / MODEL_FILE)
    return facts, []


def _teacher_outputs(workload: Workload, message: Message) -> Answer:
    """Write what the teacher says about every batch that a training sees in a span of epochs."""
    from evaluators.compress.teacher_outputs import keep_teacher_outputs

    body = message.body
    span = range(*body["span"])
    kept = keep_teacher_outputs(
        _teacher(workload), workload, span, body["seed"], Path(body["out_dir"])
    )
    return {"batches": kept}, []


def _distill(workload: Workload, message: Message) -> Answer:
    """Fine-tune a compressed model from the teacher."""
    from evaluators.compress.distill import distill, reconstructed_learning_rate
    from evaluators.compress.prune import load_compressed, save_compressed
    from evaluators.compress.teacher_outputs import read_teacher_outputs

    body = message.body
    teacher = _teacher(workload)
    student = load_compressed(teacher, Path(body["model"]) / MODEL_FILE).requires_grad_(True)
    folders = [Path(folder) for folder in body["teacher_outputs"]]
    tuned = distill(
        student,
        teacher,
        workload,
        temperature=body["temperature"],
        alpha=body["alpha"],
        epochs=body["epochs"],
        seed=body["seed"],
        learning_rate=reconstructed_learning_rate(body["epochs"]),
        has_pattern=body["has_pattern"],
        kept=read_teacher_outputs(folders),
    )
    save_compressed(student, Path(body["out_dir"]) / MODEL_FILE)
    return {"distillation": asdict(tuned)}, []


def _export(workload: Workload, message: Message) -> Answer:
    """Write the portable float model."""
    body = message.body
    out_dir = Path(body["out_dir"])
    if isinstance(workload, OnnxWorkload):
        from evaluators.export.onnx_check import import_onnx
        from evaluators.export.onnx_macs import count_onnx_macs

        model = import_onnx(workload.onnx_path, body["batch_size"], out_dir)
        return {"macs": count_onnx_macs(model)}, []
    from evaluators.compress.prune import load_compressed

    model = load_compressed(_teacher(workload), Path(body["model"]) / MODEL_FILE)
    _exporter(body["form"])(model, _example(workload, body), out_dir)
    return {}, []


def _exporter(form: str) -> Callable[..., None]:
    if form == "onnx":
        from evaluators.export.onnx_from_torch import export_onnx

        return export_onnx
    from evaluators.export.tflite_from_torch import export_tflite

    return export_tflite


def _quantize(workload: Workload, message: Message) -> Answer:
    """Write the model at a lower precision, calibrated on the workload's calibration split."""
    body = message.body
    inputs, _ = _split_arrays(workload, "calibration")
    calibration = list(_full_batches(inputs, body["batch_size"]))
    if not calibration:
        raise InputError(
            f"calibration_batches() must hold batch_size ({body['batch_size']}) samples or more, "
            f"but holds {len(inputs[0])}. Add samples, or lower batch_size."
        )
    load_quantizer(body["form"]).quantize(
        Path(body["model"]), calibration, body["settings"], Path(body["out_dir"])
    )
    return {}, []


def _score(workload: Workload, message: Message) -> Answer:
    """Score what an artifact answered for a split, or for some samples of it."""
    targets, samples = _labels(workload, message.body["split"]), message.body.get("samples")
    return {}, figures_of(
        workload, message.arrays, targets if samples is None else targets[samples]
    )


@cache
def _labels(workload: Workload, split: str) -> Array:
    return _split_arrays(workload, split)[1]


def _split_arrays(workload: Workload, split: str) -> tuple[list[Array], Array]:
    where = f"{split}_batches"
    with persons_code(f"{where}()", Path(inspect.getfile(type(workload))).parent):
        pairs: list[tuple[Inputs, Array]] = list(getattr(workload, where)())
    for position, (batch, _) in enumerate(pairs):
        wanted, got = _sample_shapes(pairs[0][0]), _sample_shapes(batch)
        if wanted != got:
            raise InputError(
                f"{where}() must yield the same inputs in every batch, but batch {position} holds "
                f"{got}, and the first one {wanted}. Make them agree."
            )
    names = list(pairs[0][0])
    inputs = [np.concatenate([np.asarray(batch[name]) for batch, _ in pairs]) for name in names]
    return inputs, np.concatenate([np.asarray(targets) for _, targets in pairs])


def _sample_shapes(batch: Inputs) -> dict[str, tuple[int, ...]]:
    return {name: np.asarray(array).shape[1:] for name, array in batch.items()}


def _full_batches(inputs: list[Array], batch_size: int) -> Iterator[list[Array]]:
    for start in range(0, len(inputs[0]) - batch_size + 1, batch_size):
        yield [array[start : start + batch_size] for array in inputs]


def _example(workload: Workload, body: dict[str, Any]) -> dict[str, Array]:
    size = body["batch_size"]
    return {
        name: np.repeat(array, size, axis=0) for name, array in workload.example_inputs().items()
    }


@cache
def _teacher(workload: Workload) -> torch.nn.Module:
    return workload.model().eval()


@cache
def _targets(workload: Workload, seed: int) -> DenseTargets:
    from evaluators.compress.dense_targets import dense_targets

    return dense_targets(_teacher(workload), _split_arrays(workload, "calibration")[0], seed=seed)


def _torch_outputs(model: torch.nn.Module, inputs: list[Array]) -> list[Array]:
    import torch

    collected: list[list[Array]] = []
    with torch.inference_mode():
        for start in range(0, len(inputs[0]), 100):
            batch = [torch.from_numpy(array[start : start + 100]) for array in inputs]
            outputs = model(*batch)
            parts = outputs if isinstance(outputs, tuple | list) else [outputs]
            collected.append([part.float().numpy() for part in parts])
    return [np.concatenate(parts) for parts in zip(*collected, strict=True)]


_STAGES: dict[str, Callable[[Workload, Message], Answer]] = {
    "describe": _describe,
    "notes": lambda workload, _: (dict(workload_notes(workload)), []),
    "data": _data,
    "reference": _reference,
    "compress": _compress,
    "teacher_outputs": _teacher_outputs,
    "distill": _distill,
    "export": _export,
    "quantize": _quantize,
    "score": _score,
}

if __name__ == "__main__":
    serve(handle)
