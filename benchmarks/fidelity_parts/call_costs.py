"""The child that times what our call does beside what the other tool times, step by step.

Our latency is what a Python program waits for: inputs handed over, the call, outputs copied out.
``benchmark_app`` reads the runtime's own clock, inside the call; ``litert-benchmark`` calls a model
whose inputs and outputs stay where they are. So every step of `Session.infer` is timed by itself
here, on the session that a measurement would use.

Run as ``python -m benchmarks.fidelity_parts.call_costs``; it answers requests as
`evaluators.service` says.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from evaluators.engines import load_engine
from evaluators.framing import Message
from evaluators.service import Answer, serve

_REPEATS = 3000
_WARMUP = 300


def handle(message: Message) -> Answer:
    """Return the median of each step in seconds, under its name for a person."""
    job = message.body
    os.sched_setaffinity(0, job["cpus"])
    engine = load_engine(job["engine"])
    engine.load_runtime()
    samples = np.load(job["inputs"]["samples"][0], allow_pickle=False)
    folder, file = Path(job["compiled"]), job["artifact"]
    with engine.open(folder, file, job["precision"], job["flags"]) as session:
        batches = [session.prepare([sample[None]]) for sample in samples]
        return _COSTS[job["engine"]](session, batches, folder / file), []


def _openvino(session: Any, batches: list[Any], _path: Path) -> dict[str, float]:
    request = session._request  # noqa: SLF001  its steps are what is timed
    rows = []
    for number in range(_REPEATS):
        start = perf_counter()
        for position, tensor in enumerate(batches[number % len(batches)]):
            request.set_input_tensor(position, tensor)
        handed_over = perf_counter()
        list(request.infer().values())
        called = perf_counter()
        inside_s = request.latency * 1e-3
        rows.append([handed_over - start, called - handed_over - inside_s])
    return _medians(rows, ["inputs handed over", "Python call, outputs copied"])


def _litert(session: Any, batches: list[Any], path: Path) -> dict[str, float]:
    interpreter = session._interpreter  # noqa: SLF001  its steps are what is timed
    inputs, outputs = session._input_indices, session._output_indices  # noqa: SLF001
    run_compiled = _compiled_model(path)
    rows = []
    for number in range(_REPEATS):
        start = perf_counter()
        for index, array in zip(inputs, batches[number % len(batches)], strict=True):
            interpreter.set_tensor(index, array)
        handed_over = perf_counter()
        interpreter.invoke()
        invoked = perf_counter()
        [interpreter.get_tensor(index) for index in outputs]
        copied = perf_counter()
        run_compiled()
        compiled = perf_counter()
        rows.append(
            [handed_over - start, copied - invoked, invoked - handed_over - (compiled - copied)]
        )
    return _medians(
        rows, ["inputs handed over", "outputs copied", "Interpreter over CompiledModel"]
    )


def _compiled_model(path: Path) -> Any:
    """Return a call of what ``litert-benchmark`` runs, its buffers bound."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import CpuOptions, Options

    options = Options(
        hardware_accelerators=HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=1)
    )
    model = CompiledModel.from_file(str(path), options=options)
    (signature,) = model.get_signature_list()
    inputs = {
        name: model.create_input_buffer_by_name(signature, name)
        for name in model.get_input_tensor_details(signature)
    }
    outputs = {
        name: model.create_output_buffer_by_name(signature, name)
        for name in model.get_output_tensor_details(signature)
    }
    return lambda: model.run_by_name(signature, inputs, outputs)


def _medians(rows: list[list[float]], names: list[str]) -> dict[str, float]:
    medians = np.median(np.array(rows[_WARMUP:]), axis=0)
    return dict(zip(names, medians.tolist(), strict=True))


_COSTS = {"openvino": _openvino, "litert": _litert}

if __name__ == "__main__":
    serve(handle)
