"""Rules over more than one value of a space file, checked on its plain data.

Not in the pydantic models: those compare values only once each of them is faultless, and a person
wants all problems in one pass. So here what has the wrong type is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spaces.constraints import constraint_faults
from spaces.errors import Fault, shown, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEEDS_TRAINING = ("sparsity", "sparsity_pattern", "pruning", "distillation")


def consistency_faults(data: object) -> Iterator[Fault]:
    """Yield values that contradict or repeat each other."""
    yield from _repeat_faults(data, "objectives")
    yield from _repeat_faults(data, "device", "engines")
    constraints = _at(data, "constraints")
    for name, bounds in constraints.items() if isinstance(constraints, dict) else ():
        for fault in constraint_faults(name, bounds) if isinstance(bounds, dict) else ():
            yield Fault(("constraints", *fault.path), fault.rule, fault.shown, fault.remedy)
    yield from _flag_faults(_at(data, "device", "engines"), _at(data, "search", "engine_flags"))
    yield from _onnx_faults(_at(data, "workload"), _at(data, "search"))


def _repeat_faults(data: object, *path: str) -> Iterator[Fault]:
    names = _at(data, *path)
    for at, name in enumerate(names if isinstance(names, list) else ()):
        if name in names[:at]:
            yield Fault((*path, at), "must not repeat a name", shown(name), "Keep one of them.")


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _flag_faults(engines: object, flags: object) -> Iterator[Fault]:
    if not isinstance(engines, list) or not isinstance(flags, dict) or not engines:
        return
    for engine in flags:
        if engine not in engines:
            path = ("search", "engine_flags", engine)
            rule = f"is for an engine that isn't in device.engines {shown(engines)}"
            yield Fault(path, rule, "", suggest(engine, [str(name) for name in engines]))


def _onnx_faults(workload: object, search: object) -> Iterator[Fault]:
    if not isinstance(workload, dict) or not isinstance(search, dict):
        return
    for key in _NEEDS_TRAINING:
        if search.get(key) is not None:
            rule = "needs a PyTorch model, and the workload is an ONNX file"
            yield Fault(("search", key), rule, "", f"Leave {key} out.")
