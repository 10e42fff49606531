"""The ops of a .tflite file, as plain values in the order in which they run.

Reads with the schema that ``ai_edge_litert`` carries, so a board that has only ``tflite_runtime``
can run a model but not look into it.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np


class Tensor(NamedTuple):
    """One tensor: ``type`` is the schema's name (``INT8``), ``constant`` its value or None."""

    shape: Tuple[int, ...]
    type: str
    constant: Optional[np.ndarray]
    is_static: bool


class Op(NamedTuple):
    """One op: ``kind`` is the schema's name (``CONV_2D``), ``label`` where in the model it is.

    ``inputs`` has None for an input left out, such as a bias; ``options`` are the op's own, as the
    schema's object, or None.
    """

    kind: str
    label: str
    version: int
    inputs: List[Optional[Tensor]]
    outputs: List[Tensor]
    options: Any

    def activations(self) -> List[Tensor]:
        """Return what flows through the op: its outputs, and the inputs that aren't constant."""
        flowing = [t for t in self.inputs if t is not None and t.constant is None]
        return flowing + self.outputs

    def __str__(self) -> str:
        return "{} '{}'".format(self.kind, self.label)


def read_graph(content: bytes) -> List[Op]:
    """Return the ops of the first subgraph of a .tflite file's bytes."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    types = _names(schema.TensorType)
    kinds = _names(schema.BuiltinOperator)
    tensors = [_tensor(tensor, model.buffers, content, types) for tensor in graph.tensors]
    ops = []
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        inputs = [tensors[i] if i >= 0 else None for i in _listed(op.inputs)]
        outputs = [tensors[i] for i in _listed(op.outputs)]
        label = _label(graph.tensors[op.outputs[0]].name)
        options = op.builtinOptions
        ops.append(Op(kind_of(code, kinds), label, code.version, inputs, outputs, options))
    return ops


def kind_of(code: Any, kinds: Dict[int, str]) -> str:
    """Return the name of an operator code; files from before 2020 have only the deprecated one."""
    if code.customCode:
        return str(code.customCode.decode())
    return kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _names(enumeration: Any) -> Dict[int, str]:
    return {v: name for name, v in vars(enumeration).items() if isinstance(v, int)}


def _listed(indices: Any) -> List[int]:
    return [] if indices is None else [int(index) for index in indices]


def _tensor(tensor: Any, buffers: Any, content: bytes, types: Dict[int, str]) -> Tensor:
    shape = tuple(_listed(tensor.shape))
    kind = types[tensor.type]
    is_static = all(size >= 0 for size in _listed(tensor.shapeSignature))
    return Tensor(shape, kind, _constant(buffers[tensor.buffer], content, kind, shape), is_static)


def _constant(
    buffer: Any, content: bytes, kind: str, shape: Tuple[int, ...]
) -> Optional[np.ndarray]:
    data = buffer.data
    if data is None and buffer.offset > 1:
        # Large buffers may lie behind the flatbuffer instead of in it.
        data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
    if data is None:
        return None
    raw = np.asarray(data, np.uint8)
    try:
        return np.frombuffer(raw.tobytes(), np.dtype(kind.lower())).reshape(shape)
    except (TypeError, ValueError):  # packed types, such as INT4: constant, but not ours to read
        return raw


def _label(name: bytes) -> str:
    """Turn ``a.Net/torch.nn.modules.Sequential_stem/torch.nn.modules.Conv2d_0;1`` to ``stem.0``.

    An op outside any submodule is called after the model's class, or after the output it makes.
    """
    text = name.decode(errors="replace").split(";")[0]
    attributes = []
    for component in text.split("/"):
        _, _, attribute = component.rpartition(".")[2].partition("_")
        if "." in component and attribute not in ("", "wrapped"):
            attributes.append(attribute)
    if attributes:
        return ".".join(attributes)
    last = text.rpartition("/")[2].rpartition(".")[2]
    return last.replace("serving_default_", "").replace("_wrapped", "")
